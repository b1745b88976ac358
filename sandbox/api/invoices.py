"""Invoices, as the API drafts, changes, finalizes, collects, voids and previews them.

Source: https://docs.stripe.com/api/invoices
"""

from typing import Final

from sandbox.api.subscriptions import edited, proration_of
from sandbox.engine import changes, collection, discounts, invoice, lines, preview, subscription
from sandbox.errors import declined, invalid, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import first_of
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PATH: Final = "/v1/invoices/{invoice}"
_FIELDS: Final = "auto_advance default_payment_method description footer metadata"
_OFF: Final = "discounts.coupon discounts.promotion_code"
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
    f"{_FIELDS} {_OFF} customer subscription currency collection_method "
    "pending_invoice_items_behavior",
)
def create_invoice(world: World, call: Call) -> Doc:
    """Draft an invoice by hand; of a subscription, for what waits for its next one.

    Source: https://docs.stripe.com/invoicing/integration
    """
    call.need("customer")
    params = call.params
    if params.get("collection_method") == "send_invoice":
        raise not_simulated("collection_method=send_invoice", param="collection_method")
    customer = world.get("customer", params["customer"], param="customer", status=400)
    given = call.picked(_FIELDS) | {"currency": params.get("currency", "gbp")}
    behavior = params.get("pending_invoice_items_behavior", "exclude")
    if ident := params.get("subscription"):
        if "discounts" in params:
            raise not_simulated("discounts on a subscription's own invoice", param="discounts")
        of = world.get("subscription", ident, param="subscription", status=400)
        doc = invoice.bill(world, of, "manual", (world.now, world.now), [])
        return world.change(doc, {"auto_advance": False} | call.picked(_FIELDS))
    waiting = lines.waiting(world, customer["id"], None) if behavior == "include" else []
    grants = discounts.apply(
        world,
        params.get("discounts") or (),
        customer=customer["id"],
        amount=sum(each["amount"] for each in waiting),
        currency=given["currency"],
    )
    given["discounts"] = discounts.redeem(world, grants, customer=customer["id"])
    return invoice.draft(world, customer, given, waiting=waiting)


@operation("POST", _PATH, _FIELDS)
def update_invoice(world: World, call: Call) -> Doc:
    """Change what may still be changed of an invoice."""
    doc = world.get("invoice", call.id)
    return world.change(doc, call.picked(_FIELDS, doc), event="invoice.updated")


@operation("POST", f"{_PATH}/finalize", "auto_advance")
def finalize_invoice(world: World, call: Call) -> Doc:
    """Finalize a draft; one of nothing is then paid, another waits to be paid."""
    doc = _in(world, call, "draft", "finalized")
    doc = world.change(doc, call.picked("auto_advance"))
    doc = invoice.finalize(world, doc)
    if doc["amount_due"] == 0:
        return collection.collect(world, doc)
    invoice.intent_of(world, doc)
    if doc["auto_advance"]:
        doc = world.change(doc, {"next_payment_attempt": world.now + invoice.DRAFT_SECONDS})
        world.schedule(doc["next_payment_attempt"], "invoice.due", doc["id"])
    return doc


@operation("POST", f"{_PATH}/pay", "payment_method off_session paid_out_of_band")
def pay_invoice(world: World, call: Call) -> Doc:
    """Collect an invoice now, without the cardholder, or record that it was paid elsewhere.

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
        doc = invoice.settle_off_stripe(world, doc)
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
    f"{_WHAT}.items.deleted {_WHAT}.proration_behavior {_WHAT}.proration_date "
    f"{_WHAT}.billing_cycle_anchor.type",
)
def create_preview(world: World, call: Call) -> Doc:
    """Show the next invoice of a subscription, as it is or as it would be after a change."""
    call.need("subscription")
    of = world.get("subscription", call.params["subscription"], param="subscription", status=400)
    what = Call(call.path, call.ids, call.params.get(_WHAT, {}))
    items = edited(world, of, what.params["items"]) if "items" in what.params else None
    restart = what.params.get("billing_cycle_anchor", {}).get("type") == "now"
    if items is None and not restart:
        return preview.preview(world, lambda: of)
    how = proration_of(what) | {"items": items, "restart": restart}
    return preview.preview(world, lambda: changes.change(world, of, {}, **how))


def _in(world: World, call: Call, statuses: str, verb: str) -> Doc:
    """Return the invoice of a call, which must be in one of these statuses.

    Source: https://docs.stripe.com/invoicing/overview#invoice-statuses
    """
    doc = world.get("invoice", call.id)
    if doc["status"] not in statuses.split():
        message = f"You can only pass in {statuses.replace(' ', ' or ')} invoices to be {verb}. "
        raise invalid(f"{message}This invoice isn't: it is {doc['status']}.")
    return doc
