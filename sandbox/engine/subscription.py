"""What a subscription is, how its status follows its invoices, and how it ends."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sandbox.engine import discounts, invoice, lines
from sandbox.engine.periods import period_around, period_end
from sandbox.kernel.ids import new_id
from sandbox.kernel.paging import as_list
from sandbox.kernel.world import Doc, World

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
AFTER_RETRIES: Final = ("canceled", "unpaid", "past_due")  # the setting is a number
_LINK: Final = "parent.subscription_details.subscription"
_FIRST_PAYMENT: Final = 23 * 3600  # how long the first invoice may stay unpaid
_NOTICE: Final = 3 * 24 * 3600  # how long before its end a trial is spoken of
_DAY: Final = 24 * 3600


def start(
    world: World,
    items: list[Doc],
    intent: Mapping[str, Any],
    data: Mapping[str, Any],
    grants: Iterable[discounts.Grant] = (),
) -> Doc:
    """Create a subscription whose first payment has succeeded, or is on its way: Checkout's way.

    `intent` names the customer, and how they pay if anything is to be paid, ever; `data` is the
    session's `subscription_data`. A declined card leaves neither subscription nor invoice behind.

    Source: https://docs.stripe.com/changelog/basil/2025-03-31/checkout-legacy-subscription-upgrade
    """
    same = "description metadata trial_settings"
    fields = {name: data[name] for name in same.split() if name in data}
    fields |= {"customer": intent["customer"]}
    fields |= {"default_payment_method": intent.get("payment_method")}
    days = data.get("trial_period_days", 0)
    if ends := data.get("trial_end", days and world.now + days * _DAY):
        fields |= {"trial_end": ends}
    subscription, bill = begin(world, fields, items, grants)
    paying = intent.get("object") == "payment_intent"
    if paying:
        invoice.ask(world, bill, intent)
    if intent.get("status") == "processing":
        invoice.mark_processing(world, bill)
    else:
        invoice.mark_paid(world, bill, attempts=int(paying))
    world.emit("customer.subscription.created", subscription)
    return subscription


def begin(
    world: World, given: Mapping[str, Any], items: list[Doc], grants: Iterable[discounts.Grant] = ()
) -> tuple[Doc, Doc]:
    """Store a subscription and finalize its first invoice; nobody has been told of it yet.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
    """
    subscription = new(world, given, items)
    on = {"customer": given["customer"], "subscription": subscription["id"]}
    subscription |= {"discounts": discounts.redeem(world, grants, **on)}
    trial = subscription["status"] == "trialing"
    made = [lines.of_item(world, subscription, item, free=trial) for item in items_of(subscription)]
    bill = invoice.bill(world, subscription, "subscription_create", (world.now, world.now), made)
    bill = invoice.finalize(world, bill)
    left = discounts.left(world, subscription["discounts"], bill)
    return world.change(subscription, {"latest_invoice": bill["id"], "discounts": left}), bill


def items_of(subscription: Doc) -> list[Doc]:
    """Return what is subscribed to."""
    items: list[Doc] = subscription["items"]["data"]
    return items


def new(world: World, given: Mapping[str, Any], items: list[Doc]) -> Doc:
    """Store a subscription to items (each a price and a quantity) that begins now.

    With `trial_end` in `given` nothing is owed before that.

    Source: https://docs.stripe.com/api/subscriptions/object
    """
    ident, now = new_id("subscription"), world.now
    anchor = given.get("trial_end") or now
    made = [new_item(ident, each, anchor, now) for each in items]
    fields = {
        "id": ident,
        "billing_cycle_anchor": anchor,
        "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
        "cancellation_details": dict.fromkeys(("comment", "feedback", "feedback_option", "reason")),
        "collection_method": "charge_automatically",
        "currency": items[0]["price"]["currency"],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": as_list(made, url=f"/v1/subscription_items?subscription={ident}"),
        "payment_settings": {"save_default_payment_method": "off"},
        "start_date": now,
        "status": "active",
        "test_clock": world.get("customer", given["customer"])["test_clock"],
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        **given,
    }
    if anchor > now:
        fields |= {"status": "trialing", "trial_start": now}
    subscription = world.create("subscription", fields)
    await_due(world, subscription)
    return subscription


def new_item(subscription: str, given: Mapping[str, Any], anchor: int, now: int) -> Doc:
    """Return an item in its present period; before the anchor that is the time until then."""
    price = given["price"]
    period = (now, anchor) if anchor > now else period_around(anchor, now, price["recurring"])
    return {
        "id": new_id("subscription_item"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "current_trial": None,
        "discounts": [],
        "metadata": given.get("metadata", {}),
        "plan": plan_of(price),
        "price": price,
        "quantity": given.get("quantity", 1),
        "subscription": subscription,
        "tax_rates": [],
    }


def plan_of(price: Doc) -> dict[str, Any]:
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


def restarted(items: Iterable[Doc], anchor: int, until: int | None = None) -> list[Doc]:
    """Return items whose period begins at the anchor, or runs `until` then."""
    return [
        item
        | {
            "current_period_start": anchor,
            "current_period_end": until or period_end(anchor, anchor, item["price"]["recurring"]),
        }
        for item in items
    ]


def with_items(subscription: Doc, items: list[Doc]) -> Doc:
    """Return the subscription with other items."""
    return subscription | {"items": subscription["items"] | {"data": items}}


def period_ends(subscription: Doc) -> list[int]:
    """Return when the period of each item ends."""
    return [item["current_period_end"] for item in items_of(subscription)]


def await_due(world: World, subscription: Doc) -> None:
    """Look at it again whenever its own dates ask for something, and at no other moment.

    Source: https://docs.stripe.com/billing/subscriptions/webhooks#events
    """
    ident, status = subscription["id"], subscription["status"]
    ends = period_ends(subscription)
    days = world.store.setting("upcoming_days", 7)
    trial = subscription["trial_end"] if status == "trialing" else None
    told = [max(subscription["trial_start"] + 1, trial - _NOTICE)] if trial else []
    tries = {"incomplete": subscription["created"], "paused": _resuming_since(world, ident)}
    moments = {
        "subscription.due": [*ends, subscription["cancel_at"]],
        "subscription.first_payment": [tries[status] + _FIRST_PAYMENT] if status in tries else [],
        "subscription.upcoming": [min(ends) - days * _DAY],
        "subscription.trial_ends": told,
        "subscription.resumes": [(subscription["pause_collection"] or {}).get("resumes_at")],
    }
    forget = "DELETE FROM job WHERE subject = ? AND kind = ?"
    for kind, wanted in moments.items():
        world.store.db.execute(forget, (ident, kind))
        for moment in {moment for moment in wanted if moment and moment > world.now}:
            world.schedule(moment, kind, ident)


def method_of(subscription: Doc | None, customer: Doc) -> str | None:
    """Return the payment method that pays: the subscription's own, else its customer's.

    Source: https://docs.stripe.com/api/subscriptions/object#subscription_object-default_payment_method
    """
    own = subscription and subscription["default_payment_method"]
    method: str | None = own or customer["invoice_settings"]["default_payment_method"]
    return method


def become(world: World, subscription: Doc, status: str, **fields: Any) -> Doc:
    """Give a subscription another status.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """
    changed = {**fields, "status": status}
    return world.change(subscription, changed, event="customer.subscription.updated")


def follow(world: World, bill: Doc, *, failed: bool = False) -> None:
    """Let a subscription's status follow its newest finalized invoice, if that is `bill`.

    A void one counts as if it had never been.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
    """
    if bill["parent"] is None:
        return
    subscription = world.get("subscription", bill["parent"]["subscription_details"]["subscription"])
    every = world.store.find("invoice", {_LINK: subscription["id"]})
    newest = next((one for one in every if one["status"] not in {"draft", "void"}), None)
    status = subscription["status"]
    if newest is None or status in ENDED | {"trialing"}:
        return
    resuming = world.store.setting(f"resuming {subscription['id']}", {})
    by_this = resuming.get("invoice") == newest["id"]
    if newest["status"] in {"paid", "uncollectible"}:
        if status == "paused":
            if by_this:
                resumed(world, subscription, "active")
        elif status != "active":
            become(world, subscription, "active")
    elif failed and newest["id"] == bill["id"]:
        if status == "active":
            become(world, subscription, "past_due")
        elif by_this and resuming["payment_behavior"] == "resume_on_payment_attempt":
            resumed(world, subscription, "past_due")


def resumed(world: World, subscription: Doc, status: str) -> Doc:
    """End a pause.

    Source: https://docs.stripe.com/api/subscriptions/resume
    """
    fields = {name: each for name, each in subscription.items() if name != "status_details"}
    changed = become(world, fields, status)
    world.emit("customer.subscription.resumed", changed)
    return changed


def retries_are_over(world: World, bill: Doc) -> None:
    """Do with a subscription what the account has set for when every attempt has failed.

    Source: https://docs.stripe.com/billing/revenue-recovery/smart-retries
    """
    subscription = world.get("subscription", bill["parent"]["subscription_details"]["subscription"])
    if subscription["status"] != "past_due":
        return
    wanted = AFTER_RETRIES[world.store.setting("after_retries", 0)]
    if wanted == "canceled":
        end(world, subscription, reason="payment_failed")
    elif wanted == "unpaid":
        become(world, subscription, "unpaid")


def end(
    world: World, subscription: Doc, *, reason: str | None, said: Mapping[str, Any] | None = None
) -> Doc:
    """Cancel a subscription at this moment; what it still owes is no longer collected.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    for bill in world.store.find("invoice", {_LINK: subscription["id"]}):
        if bill["status"] in {"draft", "open"}:
            invoice.stop_collecting(world, bill)
    details = {**(said or {}), "reason": reason}
    fields = {
        "canceled_at": subscription["canceled_at"] or world.now,
        "cancellation_details": subscription["cancellation_details"] | details,
        "ended_at": world.now,
        "status": "canceled",
    }
    return world.change(subscription, fields, event="customer.subscription.deleted")


def _resuming_since(world: World, ident: str) -> int:
    bill = world.store.get(world.store.setting(f"resuming {ident}", {}).get("invoice", ""))
    return int(bill["created"]) if bill else 0
