"""A subscription's life: started, renewed by the clock, past due, ended."""

from collections.abc import Mapping
from typing import Any

from sandbox.engine import invoice, payment
from sandbox.engine.periods import period_end
from sandbox.kernel.ids import new_id
from sandbox.kernel.paging import as_list
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job


def start(world: World, lines: list[Doc], intent: Doc, metadata: Mapping[str, str]) -> Doc:
    """Create a subscription whose first payment has just succeeded: Checkout's way.

    A declined card leaves neither a subscription nor an invoice behind.

    Source: https://docs.stripe.com/changelog/basil/2025-03-31/checkout-legacy-subscription-upgrade
    """
    subscription = _create(world, lines, intent, metadata)
    bill = invoice.draft(world, subscription, "subscription_create", (world.now, world.now))
    bill = invoice.finalize(world, bill)
    invoice.ask(world, bill, intent)
    invoice.mark_paid(world, bill)
    subscription = world.change(subscription, {"latest_invoice": bill["id"]})
    world.emit("customer.subscription.created", subscription)
    return subscription


def collect(world: World, bill: Doc) -> Doc:
    """Try to charge an open invoice without the cardholder, and let the subscription follow.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """
    ident = bill["parent"]["subscription_details"]["subscription"]
    subscription = world.get("subscription", ident)
    method = world.get("payment_method", subscription["default_payment_method"])
    intent = world.store.children(bill["id"], "payment_intent")[0]
    _, decline = payment.attempt(world, intent, method, present=False)
    if decline is None:
        bill = invoice.mark_paid(world, bill)
        _become(world, subscription, "active")
        return bill
    bill = invoice.mark_failed(world, bill)
    subscription = _become(world, subscription, "past_due")
    if bill["next_payment_attempt"] is None:
        end(world, subscription, reason="payment_failed")
    return bill


def end(world: World, subscription: Doc, *, reason: str) -> Doc:
    """Cancel a subscription at this moment; what it still owes is no longer collected.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    link = {"parent.subscription_details.subscription": subscription["id"]}
    for bill in world.store.find("invoice", link):
        if bill["status"] in {"draft", "open"}:
            invoice.stop_collecting(world, bill)
    fields = {
        "canceled_at": subscription["canceled_at"] or world.now,
        "cancellation_details": subscription["cancellation_details"] | {"reason": reason},
        "ended_at": world.now,
        "status": "canceled",
    }
    return world.change(subscription, fields, event="customer.subscription.deleted")


@job("subscription.due")
def look(world: World, ident: str) -> None:
    """Do what a subscription's own dates ask for at this moment, if anything.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
    """
    subscription = world.get("subscription", ident)
    if subscription["status"] == "canceled":
        return
    if subscription["cancel_at"] and subscription["cancel_at"] <= world.now:
        end(world, subscription, reason="cancellation_requested")
    elif subscription["items"]["data"][0]["current_period_end"] <= world.now:
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


def _create(world: World, lines: list[Doc], intent: Doc, metadata: Mapping[str, str]) -> Doc:
    ident, now = new_id("subscription"), world.now
    items = [_item(ident, line["price"], line["quantity"], now) for line in lines]
    fields = {
        "id": ident,
        "billing_cycle_anchor": now,
        "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
        "cancellation_details": dict.fromkeys(("comment", "feedback", "reason")),
        "collection_method": "charge_automatically",
        "currency": intent["currency"],
        "customer": intent["customer"],
        "default_payment_method": intent["payment_method"],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": as_list(items, url=f"/v1/subscription_items?subscription={ident}"),
        "metadata": metadata,
        "payment_settings": {"save_default_payment_method": "off"},
        "start_date": now,
        "status": "active",
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }
    world.schedule(items[0]["current_period_end"], "subscription.due", ident)
    return world.create("subscription", fields)


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


def _become(world: World, subscription: Doc, status: str) -> Doc:
    return world.change(subscription, {"status": status}, event="customer.subscription.updated")


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
    same = "id active billing_scheme created currency livemode metadata nickname product tiers_mode"
    rhythm = "interval interval_count meter trial_period_days usage_type"
    return {
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "transform_usage": None,
        **{name: price[name] for name in same.split()},
        **{name: price["recurring"][name] for name in rhythm.split()},
    }
