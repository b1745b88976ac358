"""The hosted payment page, `/c/pay/{session}`: a form, test numbers, and no real money."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine import checkout, discounts
from sandbox.errors import StripeError, invalid
from sandbox.kernel.store import Doc
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import World
from sandbox.pages import payer
from sandbox.pages.payer import Form
from sandbox.pages.render import given, page


def routes(world: World) -> list[Route]:
    """Return the page's addresses."""

    def show(request: Request) -> Response:
        by = request.query_params.get("by", "")
        return _show(world, request.path_params["session"], {"by": by})

    async def submit(request: Request) -> Response:
        form = {name: str(value).strip() for name, value in (await given(request)).items()}
        return await run_in_threadpool(_pay, world, form.pop("session"), form)

    address = "/c/pay/{session}"
    return [Route(address, show, methods=["GET"]), Route(address, submit, methods=["POST"])]


def return_address(session: Doc) -> str:
    """Return where the payer of a completed session is sent."""
    address: str = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return address


def _show(world: World, ident: str, form: Form) -> Response:
    """Show the form of an open session; of any other say what became of it."""
    with world.lock:
        world.run_due()
        try:
            session = world.get("checkout.session", ident)
        except StripeError as error:
            return page("closed.html", 404, heading="No such payment page", text=str(error))
        if session["status"] != "open":
            return _closed(session)
        return _form(world, session, form, _refusal(world, session), status=200)


def _pay(world: World, ident: str, form: Form) -> Response:
    """Take the payment and send the payer on; a refusal shows the form again."""
    with world.lock:
        world.run_due()
        session = world.store.get(ident)
        if session is None or session.get("status") != "open":
            return _show(world, ident, form)
        if form.get("apply"):
            return _reduced(world, session, form)
        kind = payer.kind_of(form, session["payment_method_types"])
        kind = kind if checkout.collects(session) else ""
        typed = {"email": form.get("email", "")}
        typed |= {"email": email} if (email := _known_email(world, session)) else {}
        errors = payer.problems(form | typed, kind, world.now)
        if not errors:
            filled = payer.payer(form | typed, kind, world.now)
            try:
                with world.changing(), living(world, ident):
                    intent, decline = checkout.pay(world, session, filled)
            except StripeError as error:  # such as a customer who was deleted meanwhile
                text = f"Nothing was paid. {error}"
                return page("closed.html", 410, heading="This cannot be paid", text=text)
            if decline is None:
                asked = (intent or {}).get("next_action")
                address = asked["redirect_to_url"]["url"] if asked else return_address(session)
                return RedirectResponse(address, 303)
            errors = {"number": f"{decline.message} Nothing was paid. Try another card."}
        return _form(world, session, form, errors, status=402)


def _form(
    world: World, session: Doc, form: Form, errors: dict[str, str], *, status: int
) -> Response:
    verbs = {"subscription": "Subscribe", "setup": "Save"}
    pay = "Donate" if session["submit_type"] == "donate" else "Pay"
    return page(
        "checkout.html",
        status,
        session=session,
        items=world.store.children(session["id"], "item"),
        form=form,
        errors=errors,
        known_email=_known_email(world, session),
        offered=session["payment_method_types"] if checkout.collects(session) else [],
        kind=payer.kind_of(form, session["payment_method_types"]),
        action=verbs.get(session["mode"], pay),
        next_year=payer.next_year(world.now),
    )


def _reduced(world: World, session: Doc, form: Form) -> Response:
    """Take off what a promotion code grants, and show the form again."""
    terms = {"customer": session["customer"], "currency": session["currency"]}
    errors = {}
    try:
        if not session["allow_promotion_codes"]:
            raise invalid("This page takes no codes.")
        grant = discounts.by_code(
            world, form.get("code", ""), amount=session["amount_subtotal"], **terms
        )
        with world.changing():
            session = checkout.reduce(world, session, [grant])
    except StripeError as error:
        errors = {"code": str(error)}
    return _form(world, session, form, errors, status=402 if errors else 200)


def _refusal(world: World, session: Doc) -> dict[str, str]:
    """Return what the page says to somebody who failed to authenticate."""
    for intent in world.store.children(session["id"], "payment_intent"):
        if intent["last_payment_error"]:
            return {"number": f"{intent['last_payment_error']['message']} Nothing was paid."}
    return {}


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
