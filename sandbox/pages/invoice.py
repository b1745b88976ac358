"""The hosted page of an invoice, `/i/{invoice}`: what it is for, and a form while it is owed."""

from starlette.responses import Response

from sandbox.engine import collection, invoice
from sandbox.engine.checkout import Payer, method_by
from sandbox.engine.method import attach
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import Doc, World
from sandbox.pages import payer
from sandbox.pages.render import Form, closed, onward, page


def answer(world: World, ident: str, form: Form, *, posted: bool) -> Response:
    """Show an invoice, or charge the card typed in; it is then the invoice's alone."""
    bill = world.store.get(ident) or {}
    if bill.get("object") != "invoice" or bill["status"] == "draft":
        return closed(404, "No such invoice", "Nothing is owed here.")
    errors: dict[str, str] = {}
    if posted and bill["status"] in {"open", "uncollectible"}:
        typed = form | {"email": str(bill["customer_email"] or "@")}
        errors = payer.problems(typed, "card", world.now)
        if not errors:
            with world.changing(), living(world, ident):
                intent = _collected(world, bill, payer.payer(typed, "card", world.now))
            if asked := intent["next_action"]:
                return onward(asked["redirect_to_url"]["url"])
            if not intent["last_payment_error"]:
                return onward(bill["hosted_invoice_url"])
            errors = {"number": f"{intent['last_payment_error']['message']} Nothing was paid."}
    values = payer.shown(form, errors, ["card"], world.now)
    lines = world.store.children(ident, "line_item")
    return page("invoice.html", 402 if errors else 200, invoice=bill, lines=lines, **values)


def _collected(world: World, bill: Doc, filled: Payer) -> Doc:
    method = method_by(world, filled)
    if method is None:
        raise ValueError("a form without problems names a card")
    attach(world, method, bill["customer"])
    intent = invoice.intent_of(world, bill)
    collection.collect(world, bill, method=method["id"], present=True)
    return world.get("payment_intent", intent["id"])
