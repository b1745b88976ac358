"""The hosted payment page, `/c/pay/{session}`: a form, test numbers, and no real money."""

from starlette.responses import Response

from sandbox.engine import checkout, discounts
from sandbox.errors import StripeError, invalid
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import Doc, World
from sandbox.pages import payer
from sandbox.pages.render import Form, closed, onward, page


def answer(world: World, ident: str, form: Form, *, posted: bool) -> Response:
    """Show the form of an open session, or do what it was filled in for."""
    session = world.store.get(ident) or {}
    if session.get("object") != "checkout.session":
        return closed(404, "No such payment page", "Please start again where you came from.")
    if session["status"] == "complete":
        return closed(410, "This has been paid", "Nothing is left to do on this page.")
    if session["status"] == "expired":
        text = "Nothing was paid. Please start again where you came from."
        return closed(410, "This payment page has expired", text)
    if not posted:
        return _form(world, session, form, _refusal(world, session), status=200)
    return (_reduced if form.get("apply") else _pay)(world, session, form)


def return_address(session: Doc) -> str:
    """Return where the payer of a completed session is sent."""
    address: str = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return address


def _pay(world: World, session: Doc, form: Form) -> Response:
    """Take the payment and send the payer on; a refusal shows the form again."""
    kind = payer.kind_of(form, session["payment_method_types"])
    kind = kind if checkout.collects(session) else ""
    typed = form | {"email": _known_email(world, session) or form.get("email", "")}
    if errors := payer.problems(typed, kind, world.now):
        return _form(world, session, form, errors, status=402)
    filled = payer.payer(typed, kind, world.now)
    try:
        with world.changing(), living(world, session["id"]):
            intent, decline = checkout.pay(world, session, filled)
    except StripeError as error:  # such as a customer who was deleted meanwhile
        return closed(410, "This cannot be paid", f"Nothing was paid. {error}")
    if decline is not None:
        errors = {"number": f"{decline.message} Nothing was paid. Try another card."}
        return _form(world, session, form, errors, status=402)
    asked = (intent or {}).get("next_action")
    return onward(asked["redirect_to_url"]["url"] if asked else return_address(session))


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
        known_email=_known_email(world, session),
        collects=checkout.collects(session),
        action=verbs.get(session["mode"], pay),
        **payer.shown(form, errors, session["payment_method_types"], world.now),
    )


def _reduced(world: World, session: Doc, form: Form) -> Response:
    """Take off what a promotion code grants, and show the form again."""
    terms = {"customer": session["customer"], "currency": session["currency"]}
    try:
        if not session["allow_promotion_codes"]:
            raise invalid("This page takes no codes.")
        with world.changing():
            grant = discounts.by_code(world, form.get("code", ""), **terms)
            session = checkout.reduce(world, session, [grant])
    except StripeError as error:
        return _form(world, session, form, {"code": str(error)}, status=402)
    return _form(world, session, form, {}, status=200)


def _refusal(world: World, session: Doc) -> dict[str, str]:
    """Return what the page says to somebody who failed to authenticate."""
    for intent in world.store.children(session["id"], "payment_intent"):
        if intent["last_payment_error"]:
            return {"number": f"{intent['last_payment_error']['message']} Nothing was paid."}
    return {}


def _known_email(world: World, session: Doc) -> str | None:
    customer = world.store.get(session["customer"] or "") or {}
    email: str | None = customer.get("email") or session["customer_email"]
    return email
