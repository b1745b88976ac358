"""Invoices, as the API drafts, changes, finalizes, collects, voids and previews them.

Source: https://docs.stripe.com/api/invoices
"""

from typing import Final

from sandbox.api.subscriptions import edited, proration_of
from sandbox.engine import changes, collection, invoice, lines, preview, subscription
from sandbox.errors import declined, invalid
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import first_of

_PATH: Final = "/v1/invoices/{invoice}"
_FIELDS: Final = "auto_advance default_payment_method description footer metadata"
_WHAT: Final = "subscription_details"
# Why an attempt has failed that was not declined, by the status of the intent.
_UNTRIED: Final = {
    "requires_action": {
        "code": "invoice_payment_intent_requires_action",
        "message": "This payment requires additional user action before it can be completed.",
    },
    "requires_payment_method": {
        "code": "payment_intent_payment_attempt_failed",
        "message": "There is no `default_payment_method` set on this Customer or Invoice.",
    },
}


@operation(
    "POST",
    "/v1/invoices",
    f"{_FIELDS} customer currency pending_invoice_items_behavior",
)
def create_invoice(world: World, call: Call) -> Doc:
    """Draft an invoice by hand, of what waits for one if so asked.

    Source: https://docs.stripe.com/invoicing/integration
    """
    customer = call.named(world, "customer")
    given = call.picked(_FIELDS) | {"currency": call.params.get("currency", "gbp")}
    included = call.params.get("pending_invoice_items_behavior") == "include"
    waiting = lines.waiting(world, customer["id"], None) if included else []
    return invoice.draft(world, customer, given, waiting=waiting)


@operation("POST", f"{_PATH}/finalize")
def finalize_invoice(world: World, call: Call) -> Doc:
    """Finalize a draft; one of nothing is then paid, another waits to be paid."""
    doc = invoice.finalize(world, _in(world, call, "draft", "finalized"))
    if doc["amount_due"] == 0:
        return collection.collect(world, doc)
    invoice.intent_of(world, doc)
    if doc["auto_advance"]:
        doc = world.change(doc, {"next_payment_attempt": world.now + invoice.DRAFT_SECONDS})
        world.schedule(doc["next_payment_attempt"], "invoice.due", doc["id"])
    return doc


@operation("POST", f"{_PATH}/pay", "paid_out_of_band payment_method")
def pay_invoice(world: World, call: Call) -> Doc:
    """Collect an invoice now, without the cardholder.

    Raises:
        StripeError: 402, after the attempt that failed.
    """
    doc = world.get("invoice", call.id)
    if doc["status"] == "draft":
        doc = invoice.finalize(world, doc)
    if doc["status"] not in {"open", "uncollectible"}:
        said = "already paid" if doc["status"] == "paid" else doc["status"]
        raise invalid(f"Invoice is {said}.")
    if call.params.get("paid_out_of_band"):
        doc = invoice.paid_elsewhere(world, doc)
        subscription.follow(world, doc)
        return doc
    doc = collection.collect(world, doc, method=call.params.get("payment_method"))
    if doc["status"] == "paid":
        return doc
    intent = invoice.intent_of(world, doc)
    if intent["status"] != "processing":
        raise declined(intent["last_payment_error"] or _UNTRIED[intent["status"]])
    return doc


@operation("POST", f"{_PATH}/void")
def void_invoice(world: World, call: Call) -> Doc:
    """Void an invoice that is owed."""
    doc = invoice.void(world, _in(world, call, "open uncollectible", "voided"))
    subscription.follow(world, doc)
    return doc


@operation("POST", f"{_PATH}/mark_uncollectible")
def mark_uncollectible(world: World, call: Call) -> Doc:
    """Give an invoice up as a bad debt."""
    doc = invoice.give_up(world, _in(world, call, "open", "marked uncollectible"), "user_forgiven")
    subscription.follow(world, doc)
    return doc


@operation("GET", f"{_PATH}/lines", "limit starting_after")
def list_lines(world: World, call: Call) -> Doc:
    """List the lines of an invoice in their order."""
    made = world.store.children(world.get("invoice", call.id)["id"], "line_item")
    after = call.params.get("starting_after")
    idents = [line["id"] for line in made]
    if after is not None and after not in idents:
        raise invalid(f"No such line item: '{after}'", param="starting_after")
    return first_of(made[idents.index(after) + 1 if after else 0 :], call)


@operation(
    "POST",
    "/v1/invoices/create_preview",
    f"subscription {_WHAT}.items.id {_WHAT}.items.price {_WHAT}.items.quantity "
    f"{_WHAT}.items.deleted {_WHAT}.proration_behavior {_WHAT}.proration_date",
)
def create_preview(world: World, call: Call) -> Doc:
    """Show the next invoice of a subscription, as it is or as it would be after a change."""
    of = call.named(world, "subscription")
    what = Call(call.path, call.ids, call.params.get(_WHAT, {}))
    if "items" not in what.params:
        return preview.preview(world, lambda: of)
    items = edited(world, of, what.params["items"])
    how = proration_of(what)
    return preview.preview(world, lambda: changes.change(world, of, {}, items=items, **how))


def _in(world: World, call: Call, statuses: str, verb: str) -> Doc:
    """Return the invoice of a call, which must be in one of these statuses."""
    # Source: https://docs.stripe.com/invoicing/overview#invoice-statuses
    doc = world.get("invoice", call.id)
    if doc["status"] not in statuses.split():
        message = f"You can only pass in {statuses.replace(' ', ' or ')} invoices to be {verb}. "
        raise invalid(f"{message}This invoice isn't: it is {doc['status']}.")
    return doc
