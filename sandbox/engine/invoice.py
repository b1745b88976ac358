"""Invoices of subscriptions: drafted, finalized, then paid or tried again."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.engine import payment
from sandbox.kernel.ids import new_id
from sandbox.kernel.paging import as_list
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

DRAFT_SECONDS: Final = 3600  # how long a renewal stays a draft
# Days after the first attempt at which a failed payment is tried again: eight tries in a fortnight.
# Stripe's smart schedule cannot be copied; its default ends the same way.
RETRY_DAYS: Final = (1, 3, 5, 7, 9, 11, 14)
_DAY = 24 * 3600
_KIND = "subscription_details"
_TOTALS = "amount_due amount_remaining subtotal subtotal_excluding_tax total total_excluding_tax"
_NOTHINGS = (
    "amount_overpaid amount_paid amount_shipping starting_balance "
    "post_payment_credit_notes_amount pre_payment_credit_notes_amount"
)


def draft(world: World, subscription: Doc, reason: str, period: tuple[int, int]) -> Doc:
    """Create an invoice for the current period of each item; `period` is what it looks back on.

    Source: https://docs.stripe.com/invoicing/overview#invoice-lifecycle
    """
    ident = new_id("invoice")
    customer = world.get("customer", subscription["customer"])
    lines = [_line(world, ident, subscription, item) for item in subscription["items"]["data"]]
    total = sum(line["amount"] for line in lines)
    link = {"subscription": subscription["id"], "metadata": subscription["metadata"]}
    fields = {
        "id": ident,
        "account_country": "GB",
        "account_name": "Local Stripe",
        "attempt_count": 0,
        "auto_advance": True,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "currency": subscription["currency"],
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": "none",
        "issuer": {"type": "self"},
        "lines": as_list(lines, url=f"/v1/invoices/{ident}/lines"),
        "metadata": {},
        "parent": {"type": _KIND, _KIND: link, "quote_details": None},
        "period_end": period[1],
        "period_start": period[0],
        "status": "draft",
        **dict.fromkeys(_TOTALS.split(), total),
        **dict.fromkeys(_NOTHINGS.split(), 0),
    }
    if reason == "subscription_cycle":
        fields["automatically_finalizes_at"] = world.now + DRAFT_SECONDS
        world.schedule(world.now + DRAFT_SECONDS, "invoice.due", ident)
    return world.create("invoice", fields, event="invoice.created")


def finalize(world: World, invoice: Doc) -> Doc:
    """Give an invoice its number; from now on it is owed.

    Source: https://docs.stripe.com/invoicing/integration/workflow-transitions
    """
    customer = world.get("customer", invoice["customer"])
    number = customer["next_invoice_sequence"]
    world.change(customer, {"next_invoice_sequence": number + 1})
    fields = {
        "automatically_finalizes_at": None,
        "effective_at": world.now,
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "status": "open",
        **_reached(world, invoice, "finalized_at"),
    }
    return world.change(invoice, fields, event="invoice.finalized")


def ask(world: World, invoice: Doc, intent: Doc) -> Doc:
    """Say which payment is to pay an invoice.

    Source: https://docs.stripe.com/api/invoice-payment
    """
    fields = {
        "amount_requested": invoice["amount_due"],
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "open",
    }
    return world.create("invoice_payment", fields)


def open_payment(world: World, invoice: Doc) -> Doc:
    """Open the intent a renewal is collected with."""
    terms = {
        "amount": invoice["amount_due"],
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": "Subscription update",
    }
    intent = payment.open_intent(world, terms, parent=invoice["id"])
    ask(world, invoice, intent)
    return intent


def mark_paid(world: World, invoice: Doc) -> Doc:
    """Record that an invoice is paid in full.

    Source: https://docs.stripe.com/billing/subscriptions/webhooks
    """
    for asked in world.store.find("invoice_payment", {"invoice": invoice["id"]}):
        done = {"status": "paid", "amount_paid": invoice["amount_due"]}
        world.change(asked, done | _reached(world, asked, "paid_at"), event="invoice_payment.paid")
    fields = {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "attempt_count": invoice["attempt_count"] + 1,
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        **_reached(world, invoice, "paid_at"),
    }
    invoice = world.change(invoice, fields, event="invoice.paid")
    world.emit("invoice.payment_succeeded", invoice)
    return invoice


def mark_failed(world: World, invoice: Doc) -> Doc:
    """Record a failed attempt and when the next one will be, if there is one.

    Source: https://docs.stripe.com/billing/revenue-recovery/smart-retries
    """
    tries = invoice["attempt_count"] + 1
    moment = None
    if tries <= len(RETRY_DAYS):
        first = invoice["status_transitions"]["finalized_at"]
        moment = first + RETRY_DAYS[tries - 1] * _DAY
        world.schedule(moment, "invoice.due", invoice["id"])
    fields = {"attempt_count": tries, "attempted": True, "next_payment_attempt": moment}
    return world.change(invoice, fields, event="invoice.payment_failed")


def stop_collecting(world: World, invoice: Doc) -> Doc:
    """Leave an unpaid invoice as it is: nobody will be charged for it any more.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    none = dict.fromkeys(("automatically_finalizes_at", "next_payment_attempt"))
    return world.change(invoice, {"auto_advance": False, **none}, event="invoice.updated")


def _reached(world: World, doc: Doc, name: str) -> Doc:
    return {"status_transitions": doc["status_transitions"] | {name: world.now}}


def _line(world: World, invoice: str, subscription: Doc, item: Mapping[str, Any]) -> Doc:
    price, quantity = item["price"], item["quantity"]
    amount = price["unit_amount"] * quantity
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    kind = "subscription_item_details"
    product = world.get("product", price["product"])["name"]
    named = {"price": price["id"], "product": price["product"]}
    empty = ("discount_amounts", "discounts", "pretax_credit_amounts", "taxes")
    return {
        "id": new_id("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": f"{quantity} × {product}",  # noqa: RUF001 - as Stripe writes it
        "discountable": True,
        "invoice": invoice,
        "livemode": False,
        "metadata": subscription["metadata"],
        "parent": {"type": kind, kind: details, "invoice_item_details": None},
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "pricing": {
            "type": "price_details",
            "price_details": named,
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "subscription": subscription["id"],
        "subtotal": amount,
        **{name: [] for name in empty},
    }
