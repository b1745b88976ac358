"""3-D Secure, `/authenticate/{intent}`: the page of the cardholder's bank, with two buttons."""

from starlette.responses import Response

from sandbox.engine import payment
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import Doc, World
from sandbox.pages.checkout import return_address
from sandbox.pages.render import Form, closed, onward, page


def answer(world: World, ident: str, form: Form, *, posted: bool) -> Response:
    """Ask, or go on with what was answered; afterwards the payer is back where they came from."""
    intent = world.store.get(ident) or {}
    if intent.get("status") != "requires_action":
        return closed(410, "Nothing is asked", "Nothing is left to do on this page.")
    if not posted or form.get("outcome") not in {"confirm", "fail"}:
        amount, currency = intent.get("amount"), intent.get("currency")
        return page("authenticate.html", amount=amount, currency=currency)
    with world.changing(), living(world, ident):
        payment.authenticate(world, intent, confirmed=form["outcome"] == "confirm")
    return onward(_back(world, intent))


def _back(world: World, intent: Doc) -> str:
    """Return where what the intent is for is shown; the console if nobody asked for it."""
    owner = world.store.owner(intent)
    if owner.get("object") == "checkout.session" and owner["status"] == "complete":
        return return_address(owner)
    address: str = owner.get("url") or owner.get("hosted_invoice_url") or "/"
    return address
