"""An invoice's life: drafted, finalized, then paid, tried again, void or given up."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sandbox.engine import discounts, lines, payment
from sandbox.kernel.ids import new_id
from sandbox.kernel.world import Doc, World

DRAFT_SECONDS: Final = 3600  # how long a renewal stays a draft
# Days after the first attempt at which a failed payment is tried again: eight tries in a fortnight.
# Stripe's smart schedule cannot be copied; its default ends the same way.
RETRY_DAYS: Final = (1, 3, 5, 7, 9, 11, 14)
_DAY = 24 * 3600
_KIND = "subscription_details"
# Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_SMALLEST_CHARGE: Final = 30
_NOTHINGS = (
    "amount_overpaid amount_paid amount_shipping "
    "post_payment_credit_notes_amount pre_payment_credit_notes_amount"
)
_NEVER_AGAIN: Final = dict.fromkeys(("automatically_finalizes_at", "next_payment_attempt"))


def bill(
    world: World,
    subscription: Doc,
    reason: str,
    period: tuple[int, int],
    made: Iterable[Doc],
) -> Doc:
    """Draft an invoice of a subscription from its lines, and from the invoice items that wait.

    `period` is what it looks back on.

    Source: https://docs.stripe.com/invoicing/overview#invoice-lifecycle
    """
    link = {"subscription": subscription["id"], "metadata": subscription["metadata"]}
    fields = {
        "auto_advance": True,
        "billing_reason": reason,
        "currency": subscription["currency"],
        "discounts": [each["id"] for each in discounts.running(world, subscription["discounts"])],
        "parent": {"type": _KIND, _KIND: link, "quote_details": None},
        "period_end": period[1],
        "period_start": period[0],
    }
    if reason == "subscription_cycle":
        fields["automatically_finalizes_at"] = world.now + DRAFT_SECONDS
    customer = world.get("customer", subscription["customer"])
    waiting = lines.waiting(world, customer["id"], subscription["id"])
    return draft(world, customer, fields, made, waiting)


def draft(
    world: World,
    customer: Doc,
    given: Mapping[str, Any],
    made: Iterable[Doc] = (),
    waiting: Iterable[Doc] = (),
) -> Doc:
    """Create a draft from lines, and from invoice items that have waited for one.

    Source: https://docs.stripe.com/api/invoices/create
    """
    ident = new_id("invoice")
    fields = {
        "id": ident,
        "account_country": "GB",
        "account_name": "Local Stripe",
        "attempt_count": 0,
        "auto_advance": False,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": "none",
        "discounts": [],
        "issuer": {"type": "self"},
        "metadata": {},
        "period_end": world.now,
        "period_start": world.now,
        "status": "draft",
        "test_clock": customer["test_clock"],
        **dict.fromkeys(_NOTHINGS.split(), 0),
        **given,
    }
    lines.keep(world, ident, [*lines.take(world, ident, waiting), *made])
    invoice = world.create("invoice", fields | _reckoned(world, fields), event="invoice.created")
    if moment := invoice["automatically_finalizes_at"]:
        world.schedule(moment, "invoice.due", ident)
    return invoice


def reckon(world: World, invoice: Doc, *, event: str = "") -> Doc:
    """Add up a draft anew, after its lines or its discounts have changed.

    Source: https://docs.stripe.com/api/invoices/object
    """
    return world.change(invoice, _reckoned(world, invoice), event=event)


def finalize(world: World, invoice: Doc) -> Doc:
    """Give an invoice its number; from now on it is owed, as far as credit does not cover it.

    Source: https://docs.stripe.com/invoicing/integration/workflow-transitions
    """
    invoice = reckon(world, invoice)
    customer = world.get("customer", invoice["customer"])
    left = customer["balance"] + invoice["total"] - invoice["amount_due"]
    number = customer["next_invoice_sequence"]
    customer = world.change(customer, {"next_invoice_sequence": number + 1})
    world.change(customer, {"balance": left}, event="customer.updated")
    fields = {
        "automatically_finalizes_at": None,
        "effective_at": world.now,
        "ending_balance": left,
        "hosted_invoice_url": f"{world.url}/i/{invoice['id']}",
        "number": f"{customer['invoice_prefix']}-{number:04d}",
        "status": "open",
        **_reached(world, invoice, "finalized_at"),
    }
    return world.change(invoice, fields, event="invoice.finalized")


def ask(world: World, invoice: Doc, intent: Mapping[str, Any]) -> Doc:
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


def intent_of(world: World, invoice: Doc) -> Doc:
    """Return the intent an invoice is collected with; the first time it is opened."""
    for asked in world.store.find("invoice_payment", {"invoice": invoice["id"], "status": "open"}):
        return world.get("payment_intent", asked["payment"]["payment_intent"])
    creation = invoice["billing_reason"] == "subscription_create"
    subscribed = "Subscription creation" if creation else "Subscription update"
    terms = {
        "amount": invoice["amount_due"],
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": subscribed if invoice["parent"] else "Payment for Invoice",
    }
    intent = payment.open_intent(world, terms, parent=invoice["id"])
    ask(world, invoice, intent)
    return intent


def mark_paid(world: World, invoice: Doc, *, attempts: int = 1) -> Doc:
    """Record that an invoice is paid in full; one of nothing is paid without an attempt.

    Source: https://docs.stripe.com/billing/subscriptions/webhooks
    """
    due = invoice["amount_due"]
    for asked in world.store.find("invoice_payment", {"invoice": invoice["id"], "status": "open"}):
        done = {"status": "paid", "amount_paid": due} | _reached(world, asked, "paid_at")
        world.change(asked, done, event="invoice_payment.paid")
    fields = {
        "amount_paid": due,
        "amount_remaining": 0,
        "attempt_count": invoice["attempt_count"] + attempts,
        "attempted": True,
        "auto_advance": False,
        "status": "paid",
        **_NEVER_AGAIN,
        **_reached(world, invoice, "paid_at"),
    }
    invoice = world.change(invoice, fields, event="invoice.paid")
    world.emit("invoice.payment_succeeded", invoice)
    return invoice


def mark_processing(world: World, invoice: Doc) -> Doc:
    """Record an attempt whose outcome the bank will tell in some days.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit
    """
    fields = {"attempt_count": invoice["attempt_count"] + 1, "attempted": True}
    fields |= {"next_payment_attempt": None}
    return world.change(invoice, fields, event="invoice.updated")


def mark_failed(world: World, invoice: Doc, *, attempts: int = 1, event: str) -> Doc:
    """Record a failed attempt and when the next one will be, if there is one.

    Source: https://docs.stripe.com/billing/revenue-recovery/smart-retries
    """
    first = invoice["status_transitions"]["finalized_at"]
    ahead = [moment for days in RETRY_DAYS if (moment := first + days * _DAY) > world.now]
    moment = ahead[0] if ahead and invoice["auto_advance"] else None
    if moment:
        world.schedule(moment, "invoice.due", invoice["id"])
    tries = invoice["attempt_count"] + attempts
    fields = {"attempt_count": tries, "attempted": True, "next_payment_attempt": moment}
    return world.change(invoice, fields, event=event)


def stop_collecting(world: World, invoice: Doc) -> Doc:
    """Leave an unpaid invoice as it is: nobody will be charged for it any more.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    return world.change(invoice, {"auto_advance": False, **_NEVER_AGAIN}, event="invoice.updated")


def void(world: World, invoice: Doc) -> Doc:
    """Declare an invoice null and void; what credit it had used up is given back.

    Source: https://docs.stripe.com/invoicing/overview#void
    """
    _ask_no_more(world, invoice)
    customer = world.get("customer", invoice["customer"])
    used = invoice["total"] - invoice["amount_due"]
    world.change(customer, {"balance": customer["balance"] - used}, event="customer.updated")
    fields = {"auto_advance": False, "status": "void", **_NEVER_AGAIN}
    fields |= _reached(world, invoice, "voided_at")
    return world.change(invoice, fields, event="invoice.voided")


def _ask_no_more(world: World, invoice: Doc) -> None:
    """Cancel what was to pay an invoice, and its intent, unless a bank is at work on it."""
    # Source: https://docs.stripe.com/api/invoice-payment/object
    # Source: https://docs.stripe.com/api/payment_intents/object
    for asked in world.store.find("invoice_payment", {"invoice": invoice["id"], "status": "open"}):
        world.change(asked, {"status": "canceled"} | _reached(world, asked, "canceled_at"))
        intent = world.get("payment_intent", asked["payment"]["payment_intent"])
        if intent["status"] != "processing":
            payment.cancel(world, intent, reason="void_invoice")


def paid_elsewhere(world: World, invoice: Doc) -> Doc:
    """Mark an invoice paid that was paid without Stripe: by cheque, say.

    Source: https://docs.stripe.com/api/invoices/pay#pay_invoice-paid_out_of_band
    """
    _ask_no_more(world, invoice)
    return mark_paid(world, invoice, attempts=0)


def give_up(world: World, invoice: Doc, reason: str) -> Doc:
    """Mark an invoice uncollectible: a bad debt, which may still be paid one day.

    Source: https://docs.stripe.com/changelog/endive/2026-09-30/invoice-uncollectible-status-detail
    """
    fields = {
        "auto_advance": False,
        "status": "uncollectible",
        "status_details": {"uncollectible": {"reason": reason}},
        **_NEVER_AGAIN,
        **_reached(world, invoice, "marked_uncollectible_at"),
    }
    return world.change(invoice, fields, event="invoice.marked_uncollectible")


def _reached(world: World, doc: Doc, name: str) -> Doc:
    return {"status_transitions": doc["status_transitions"] | {name: world.now}}


def _reckoned(world: World, invoice: Mapping[str, Any]) -> Doc:
    """Return an invoice's sums; less than the smallest charge is carried on the balance."""
    # Source: https://docs.stripe.com/billing/customer/balance
    made = world.store.children(invoice["id"], "line_item")
    running = discounts.running(world, invoice["discounts"])
    open_to = [line["amount"] if line["discountable"] else 0 for line in made]
    taken = discounts.off(discounts.coupons(world, running), open_to)
    for n, line in enumerate(made):
        off = [
            {"amount": parts[n], "discount": discount["id"]}
            for discount, parts in zip(running, taken, strict=True)
            if line["discountable"]
        ]
        made[n] = world.change(line, {"discount_amounts": off})
    balance = world.get("customer", invoice["customer"])["balance"]
    subtotal = sum(line["amount"] for line in made)
    total = subtotal - sum(map(sum, taken))
    due = total + balance if total + balance >= _SMALLEST_CHARGE else 0
    return {
        "lines": lines.shown(invoice["id"], made),
        "starting_balance": balance,
        **dict.fromkeys(("subtotal", "subtotal_excluding_tax"), subtotal),
        **dict.fromkeys(("total", "total_excluding_tax"), total),
        **dict.fromkeys(("amount_due", "amount_remaining"), due),
        "total_discount_amounts": [
            {"amount": sum(parts), "discount": discount["id"]}
            for discount, parts in zip(running, taken, strict=True)
        ],
    }
