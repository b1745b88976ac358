"""A subscription's life: started, renewed by the clock, past due, ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.engine import invoice, payment
from sandbox.engine.periods import period_end
from sandbox.errors import StripeError
from sandbox.kernel.ids import new_id
from sandbox.kernel.paging import as_list
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job

ENDED: Final = ("canceled", "incomplete_expired")
_INCOMPLETE_SECONDS: Final = 23 * 3600


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody subscribes to: prices with quantities, and the card for all payments."""

    customer: str
    lines: list[tuple[Doc, int]]
    method: str | None
    metadata: Mapping[str, str]
    description: str | None = None


def start_paid(world: World, order: Order, intent: Doc) -> Doc:
    """Create a subscription whose first payment has just succeeded: Checkout's way.

    A declined card leaves neither a subscription nor an invoice behind.

    Source: https://docs.stripe.com/changelog/basil/2025-03-31/checkout-legacy-subscription-upgrade
    """
    subscription = _create(world, order, status="active")
    bill = _first_invoice(world, subscription)
    invoice.ask(world, bill, intent)
    invoice.mark_paid(world, bill)
    subscription = world.change(subscription, {"latest_invoice": bill["id"]})
    world.emit("customer.subscription.created", subscription)
    return subscription


def start(world: World, order: Order, *, or_fail: bool) -> Doc:
    """Create a subscription and try to collect its first invoice: the API's way.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
    """
    subscription = _create(world, order, status="incomplete")
    bill = _first_invoice(world, subscription)
    invoice.open_payment(world, bill)
    subscription = world.change(subscription, {"latest_invoice": bill["id"]})
    world.emit("customer.subscription.created", subscription)
    bill = collect(world, bill)
    if bill["status"] != "paid":
        if or_fail:
            message = "Your card was declined."
            raise StripeError(402, "card_error", message, code="card_declined")
        world.schedule(world.now + _INCOMPLETE_SECONDS, "subscription.due", subscription["id"])
    return world.get("subscription", subscription["id"])


def collect(world: World, bill: Doc) -> Doc:
    """Try to charge an open invoice without the cardholder, and let the subscription follow.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """
    subscription = _of(world, bill)
    customer = world.get("customer", subscription["customer"])
    default = customer["invoice_settings"]["default_payment_method"]
    method = subscription["default_payment_method"] or default
    intent = world.store.children(bill["id"], "payment_intent")[0]
    paid = False
    if method is not None:
        card = world.get("payment_method", method)
        _, decline = payment.attempt(world, intent, card, present=False)
        paid = decline is None
    if paid:
        bill = invoice.mark_paid(world, bill)
        if subscription["status"] in {"past_due", "incomplete"}:
            _become(world, subscription, "active")
        return bill
    bill = invoice.mark_failed(world, bill)
    if subscription["status"] == "active":
        subscription = _become(world, subscription, "past_due")
    if bill["next_payment_attempt"] is None and subscription["status"] == "past_due":
        end(world, subscription, reason="payment_failed")
    return bill


def end(
    world: World, subscription: Doc, *, reason: str, details: Mapping[str, Any] | None = None
) -> Doc:
    """Cancel a subscription at this moment; what it still owes is no longer collected.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    link = {"parent.subscription_details.subscription": subscription["id"]}
    for bill in world.store.find("invoice", link):
        if bill["status"] in {"draft", "open"}:
            invoice.stop_collecting(world, bill)
    now = world.now
    given = subscription["cancellation_details"] | {"reason": reason} | (details or {})
    fields = {"status": "canceled", "ended_at": now, "cancellation_details": given}
    fields["canceled_at"] = subscription["canceled_at"] or now
    return world.change(subscription, fields, event="customer.subscription.deleted")


@job("subscription.due")
def look(world: World, ident: str) -> None:
    """Do what a subscription's own dates ask for at this moment, if anything.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
    """
    subscription = world.get("subscription", ident)
    status, now = subscription["status"], world.now
    if status in ENDED:
        return
    if status == "incomplete":
        if subscription["created"] + _INCOMPLETE_SECONDS <= now:
            _expire(world, subscription)
    elif subscription["cancel_at"] and subscription["cancel_at"] <= now:
        end(world, subscription, reason="cancellation_requested")
    elif subscription["items"]["data"][0]["current_period_end"] <= now:
        _renew(world, subscription)


@job("invoice.due")
def _look_at_invoice(world: World, ident: str) -> None:
    """Finalize a draft whose hour is over, or try a failed payment again.

    Source: https://docs.stripe.com/invoicing/integration/automatic-advancement-collection
    """
    bill = world.get("invoice", ident)
    if bill["status"] == "draft" and bill["automatically_finalizes_at"]:
        bill = invoice.finalize(world, bill)
        invoice.open_payment(world, bill)
        collect(world, bill)
    elif bill["status"] == "open" and (bill["next_payment_attempt"] or world.now + 1) <= world.now:
        collect(world, bill)


def _create(world: World, order: Order, *, status: str) -> Doc:
    ident, now = new_id("subscription"), world.now
    items = [_item(ident, price, quantity, now) for price, quantity in order.lines]
    fields = {
        "id": ident,
        "billing_cycle_anchor": now,
        "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
        "cancellation_details": dict.fromkeys(("comment", "feedback", "reason")),
        "collection_method": "charge_automatically",
        "currency": items[0]["price"]["currency"],
        "customer": order.customer,
        "default_payment_method": order.method,
        "description": order.description,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": as_list(items, url=f"/v1/subscription_items?subscription={ident}"),
        "metadata": dict(order.metadata),
        "payment_settings": {"save_default_payment_method": "off"},
        "start_date": now,
        "status": status,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }
    world.schedule(items[0]["current_period_end"], "subscription.due", ident)
    return world.create("subscription", fields)


def _first_invoice(world: World, subscription: Doc) -> Doc:
    bill = invoice.draft(world, subscription, "subscription_create", (world.now, world.now))
    return invoice.finalize(world, bill)


def _renew(world: World, subscription: Doc) -> None:
    """Begin the next period; its invoice stays a draft for an hour.

    Source: https://docs.stripe.com/billing/subscriptions/webhooks#renewals
    """
    anchor = subscription["billing_cycle_anchor"]
    items = [_next_period(item, anchor) for item in subscription["items"]["data"]]
    before = subscription["items"]["data"][0]
    period = (before["current_period_start"], before["current_period_end"])
    rolled = subscription | {"items": subscription["items"] | {"data": items}}
    bill = invoice.draft(world, rolled, "subscription_cycle", period)
    fields = {"items": rolled["items"], "latest_invoice": bill["id"]}
    world.change(subscription, fields, event="customer.subscription.updated")
    world.schedule(items[0]["current_period_end"], "subscription.due", subscription["id"])


def _next_period(item: Doc, anchor: int) -> Doc:
    start, rhythm = item["current_period_end"], item["price"]["recurring"]
    finish = period_end(anchor, start, rhythm["interval"], rhythm["interval_count"])
    return item | {"current_period_start": start, "current_period_end": finish}


def _expire(world: World, subscription: Doc) -> None:
    """Give up a subscription whose first payment never came.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """
    invoice.void(world, world.get("invoice", subscription["latest_invoice"]))
    fields = {"status": "incomplete_expired", "ended_at": world.now}
    world.change(subscription, fields, event="customer.subscription.updated")


def _become(world: World, subscription: Doc, status: str) -> Doc:
    return world.change(subscription, {"status": status}, event="customer.subscription.updated")


def _of(world: World, bill: Doc) -> Doc:
    return world.get("subscription", bill["parent"]["subscription_details"]["subscription"])


def _item(subscription: str, price: Doc, quantity: int, now: int) -> Doc:
    rhythm = price["recurring"]
    return {
        "id": new_id("subscription_item"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": period_end(now, now, rhythm["interval"], rhythm["interval_count"]),
        "current_period_start": now,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": _plan(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    }


def _plan(price: Doc) -> dict[str, Any]:
    """Return the older name of a price, which Stripe still shows on every item."""
    rhythm = price["recurring"]
    same = ("id", "active", "billing_scheme", "created", "currency", "livemode", "metadata")
    return {name: price[name] for name in (*same, "nickname", "product", "tiers_mode")} | {
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": rhythm["interval"],
        "interval_count": rhythm["interval_count"],
        "meter": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": rhythm["usage_type"],
    }
