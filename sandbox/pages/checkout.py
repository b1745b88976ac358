"""The hosted payment page, `/c/pay/{session}`: a form, test cards, and no real money."""

from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine import checkout
from sandbox.engine.cards import CARDS
from sandbox.errors import StripeError
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World
from sandbox.pages.render import given, page

_CENTURY = 2000
_MONTHS = 12
Form = dict[str, str]


def routes(world: World) -> list[Route]:
    """Return the page's addresses."""

    def show(request: Request) -> Response:
        return _show(world, request.path_params["session"])

    async def submit(request: Request) -> Response:
        form = {name: str(value).strip() for name, value in (await given(request)).items()}
        return await run_in_threadpool(_pay, world, form.pop("session"), form)

    address = "/c/pay/{session}"
    return [Route(address, show, methods=["GET"]), Route(address, submit, methods=["POST"])]


def _show(world: World, ident: str) -> Response:
    """Show the form of an open session; of any other say what became of it."""
    with world.lock:
        world.run_due()
        try:
            session = world.get("checkout.session", ident)
        except StripeError as error:
            return page("closed.html", 404, heading="No such payment page", text=str(error))
        return _form(world, session, {}, {}) if session["status"] == "open" else _closed(session)


def _pay(world: World, ident: str, form: Form) -> Response:
    """Take the payment and send the payer on; a declined card shows the form again."""
    with world.lock:
        world.run_due()
        session = world.store.get(ident)
        if session is None or session.get("status") != "open":
            return _show(world, ident)
        typed = {"email": form.get("email", "")}
        typed |= {"email": email} if (email := _known_email(world, session)) else {}
        expiry = _expiry(form.get("expiry", ""), world.now)
        errors = _problems(form | typed)
        if expiry is None:
            errors["expiry"] = "Enter a month and a year to come, such as 12 / 34."
        elif not errors:
            try:
                with world.changing():
                    decline = checkout.pay(world, session, _payer(form | typed, expiry))
            except StripeError as error:  # such as a customer who was deleted meanwhile
                text = f"Nothing was paid. {error}"
                return page("closed.html", 410, heading="This cannot be paid", text=text)
            if decline is None:
                address = session["success_url"].replace("{CHECKOUT_SESSION_ID}", ident)
                return RedirectResponse(address, 303)
            errors = {"number": f"{decline.message} Nothing was paid. Try another card."}
        return _form(world, session, form, errors, status=402)


def _form(
    world: World, session: Doc, form: Form, errors: dict[str, str], *, status: int = 200
) -> Response:
    action = "Donate" if session["submit_type"] == "donate" else "Pay"
    return page(
        "checkout.html",
        status,
        session=session,
        items=world.store.children(session["id"], "item"),
        form=form,
        errors=errors,
        known_email=_known_email(world, session),
        cards=list(CARDS.values()),
        action="Subscribe" if session["mode"] == "subscription" else action,
        next_year=datetime.fromtimestamp(world.now, UTC).year % 100 + 3,
    )


def _closed(session: Doc) -> Response:
    if session["status"] == "complete":
        heading, text = "This has been paid", "Nothing is left to do on this page."
    else:
        heading = "This payment page has expired"
        text = "Nothing was paid. Please start again where you came from."
    return page("closed.html", 410, heading=heading, text=text)


def _known_email(world: World, session: Doc) -> str | None:
    customer = world.store.get(session["customer"] or "") or {}
    email: str | None = customer.get("email") or session["customer_email"]
    return email


def _problems(form: Form) -> dict[str, str]:
    """Return what is wrong with the form, by field."""
    problems = {}
    if "@" not in form["email"]:
        problems["email"] = "Enter an e-mail address."
    if _digits(form) not in CARDS:
        problems["number"] = (
            "Use one of the test cards listed on this page: no real card is accepted or kept."
        )
    if not form.get("cvc", "").isdigit():
        problems["cvc"] = "Enter the security code: any three digits."
    if not form.get("name"):
        problems["name"] = "Enter the name on the card."
    return problems


def _payer(form: Form, expiry: tuple[int, int]) -> checkout.Payer:
    return checkout.Payer(
        email=form["email"],
        name=form["name"],
        card=CARDS[_digits(form)],
        expiry=expiry,
        country=form.get("country") or "GB",
        postal_code=form.get("postal_code") or None,
    )


def _digits(form: Form) -> str:
    return form.get("number", "").replace(" ", "")


def _expiry(text: str, now: int) -> tuple[int, int] | None:
    """Read `12/34`, `12 / 34` or `12/2034`; a date that has passed is none."""
    month, _, year = text.replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit() and 1 <= int(month) <= _MONTHS):
        return None
    full = int(year) + (_CENTURY if len(year) == 2 else 0)  # noqa: PLR2004
    today = datetime.fromtimestamp(now, UTC)
    return (int(month), full) if (full, int(month)) >= (today.year, today.month) else None
