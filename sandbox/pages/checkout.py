"""The hosted payment page, `/c/pay/{session}`: a form, test cards, and no real money."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine import checkout
from sandbox.engine.cards import CARDS
from sandbox.errors import StripeError
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World
from sandbox.pages.render import page

_CENTURY = 2000
_MONTHS = 12
_ACTIONS = {"donate": "Donate", "book": "Book", "subscribe": "Subscribe"}
Form = dict[str, str]


class CheckoutPage:
    """What a payer sees and does."""

    def __init__(self, world: World) -> None:
        """Show this world's sessions."""
        self.world = world

    def routes(self) -> list[Route]:
        """Return the page's addresses."""
        address = "/c/pay/{session}"
        return [
            Route(address, self._show, methods=["GET"]),
            Route(address, self._submit, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return await run_in_threadpool(self.show, request.path_params["session"])

    async def _submit(self, request: Request) -> Response:
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True)
        form = {name: values[0].strip() for name, values in fields.items()}
        return await run_in_threadpool(self.pay, request.path_params["session"], form)

    def show(self, ident: str) -> Response:
        """Show the form of an open session; of any other say what became of it."""
        with self.world.lock:
            self.world.run_due()
            try:
                session = self.world.get("checkout.session", ident)
            except StripeError as error:
                return page("closed.html", 404, heading="No such payment page", text=str(error))
            return self._form(session, {}, {}) if session["status"] == "open" else _closed(session)

    def pay(self, ident: str, form: Form) -> Response:
        """Take the payment and send the payer on; a declined card shows the form again."""
        with self.world.lock:
            self.world.run_due()
            session = self.world.store.get(ident)
            if session is None or session.get("status") != "open":
                return self.show(ident)
            email = self._known_email(session) or form.get("email", "")
            expiry = _expiry(form.get("expiry", ""), self.world.now)
            errors = _problems(form | {"email": email}, session)
            if expiry is None:
                errors["expiry"] = "Enter a month and a year to come, such as 12 / 34."
            elif not errors:
                payer = _payer(form | {"email": email}, expiry)
                with self.world.changing():
                    decline = checkout.pay(self.world, session, payer)
                if decline is None:
                    address = session["success_url"].replace("{CHECKOUT_SESSION_ID}", ident)
                    return RedirectResponse(address, 303)
                errors = {"number": f"{decline.message} Nothing was paid. Try another card."}
            return self._form(session, form, errors, status=402 if form else 200)

    def _form(
        self, session: Doc, form: Form, errors: dict[str, str], *, status: int = 200
    ) -> Response:
        items = self.world.store.children(session["id"], "item")
        customer_email = self._known_email(session)
        action = "Subscribe" if session["mode"] == "subscription" else "Pay"
        return page(
            "checkout.html",
            status,
            session=session,
            items=items,
            form=form,
            errors=errors,
            known_email=customer_email,
            cards=list(CARDS.values()),
            action=_ACTIONS.get(session["submit_type"], action),
            terms_required=_terms_required(session),
            next_year=datetime.fromtimestamp(self.world.now, UTC).year % 100 + 3,
        )

    def _known_email(self, session: Doc) -> str | None:
        if session["customer"]:
            customer = self.world.store.get(session["customer"]) or {}
            if customer.get("email"):
                return str(customer["email"])
        email: str | None = session["customer_email"]
        return email


def _closed(session: Doc) -> Response:
    if session["status"] == "complete":
        heading, text = "This has been paid", "Nothing is left to do on this page."
    else:
        heading = "This payment page has expired"
        text = "Nothing was paid. Please start again where you came from."
    return page("closed.html", 410, heading=heading, text=text)


def _terms_required(session: Doc) -> bool:
    collected: Any = session["consent_collection"] or {}
    return bool(collected.get("terms_of_service") == "required")


def _problems(form: Form, session: Doc) -> dict[str, str]:
    """Return what is wrong with the form, by field."""
    problems = {}
    number = form.get("number", "").replace(" ", "")
    if "@" not in form["email"]:
        problems["email"] = "Enter an e-mail address."
    if number not in CARDS:
        problems["number"] = (
            "Use one of the test cards listed on this page: no real card is accepted or kept."
        )
    if not form.get("cvc", "").isdigit():
        problems["cvc"] = "Enter the security code: any three digits."
    if not form.get("name"):
        problems["name"] = "Enter the name on the card."
    if session["billing_address_collection"] == "required" and not form.get("postal_code"):
        problems["postal_code"] = "Enter a postcode."
    if _terms_required(session) and not form.get("terms"):
        problems["terms"] = "Please agree to the terms to go on."
    return problems


def _payer(form: Form, expiry: tuple[int, int]) -> checkout.Payer:
    return checkout.Payer(
        email=form["email"],
        name=form["name"],
        card=CARDS[form["number"].replace(" ", "")],
        expiry=expiry,
        country=form.get("country") or None,
        postal_code=form.get("postal_code") or None,
        agreed=bool(form.get("terms")),
    )


def _expiry(text: str, now: int) -> tuple[int, int] | None:
    """Read `12/34`, `12 / 34` or `12/2034`; a date that has passed is none."""
    month, _, year = text.replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit() and 1 <= int(month) <= _MONTHS):
        return None
    full = int(year) + (_CENTURY if len(year) == 2 else 0)  # noqa: PLR2004
    today = datetime.fromtimestamp(now, UTC)
    return (int(month), full) if (full, int(month)) >= (today.year, today.month) else None
