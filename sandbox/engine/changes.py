"""What is asked of a subscription: begun, repriced, put on trial, paused, resumed."""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.engine import collection, discounts, invoice, lines, proration, renewal
from sandbox.engine.periods import period_around
from sandbox.engine.subscription import (
    await_due,
    begin,
    items_of,
    method_of,
    restarted,
    resumed,
    with_items,
)
from sandbox.errors import invalid
from sandbox.kernel.world import Doc, World

_UPDATED = "customer.subscription.updated"
_LOUD = {"always_invoice", "create_prorations"}


def create(
    world: World,
    given: Mapping[str, Any],
    items: list[Doc],
    grants: Iterable[discounts.Grant],
) -> Doc:
    """Begin a subscription and charge its first invoice without the cardholder.

    Raises:
        StripeError: there is nothing to charge.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
    """
    subscription, bill = begin(world, given, items, grants)
    customer = world.get("customer", subscription["customer"])
    owed = bill["amount_due"] > 0
    if owed:
        subscription = world.change(subscription, {"status": "incomplete"})
        await_due(world, subscription)
    world.emit("customer.subscription.created", subscription)
    if owed and method_of(subscription, customer) is None:
        message = "This customer has no attached payment source or default payment method."
        raise invalid(message, code="resource_missing")
    collection.collect(world, bill)
    return world.get("subscription", subscription["id"])


def change(
    world: World,
    subscription: Doc,
    fields: Mapping[str, Any],
    *,
    items: list[Doc] | None = None,
    prorate: str = "create_prorations",
    moment: int | None = None,
    restart: bool = False,
) -> Doc:
    """Change a subscription, credit and debit what the change is worth, and bill it if it is time.

    `moment` is where the old price ends and the new begins; another interval, or `restart`,
    begins a new period now.

    Source: https://docs.stripe.com/billing/subscriptions/prorations
    """
    moment = moment or world.now
    before, after = items_of(subscription), items if items is not None else items_of(subscription)
    changed = with_items({**subscription, **fields}, after)
    trial = (changed["trial_end"] or 0) > world.now
    restart = restart or (not trial and _rhythm_changes(before, after))
    if trial and (subscription["trial_end"] != changed["trial_end"] or restart):
        restart, anchor = True, changed["trial_end"]
        changed |= {"billing_cycle_anchor": anchor, "status": "trialing", "trial_start": world.now}
        changed = with_items(changed, restarted(after, world.now, anchor))
    elif restart:
        changed = with_items(changed, restarted(after, world.now))
        changed |= {"billing_cycle_anchor": world.now}
    if prorate in _LOUD:
        kept = {_worth(each) for each in before} & {_worth(each) for each in after}
        gone = [each for each in before if restart or _worth(each) not in kept]
        proration.credit(world, subscription, gone, moment)
        if not (restart or trial):
            fresh = [each for each in after if _worth(each) not in kept]
            proration.debit(world, changed, fresh, moment)
    changed, bill = _billed(world, changed, restart=restart, now=prorate == "always_invoice")
    told = {name: each for name, each in changed.items() if subscription.get(name) != each}
    changed = world.change(subscription, told, event=_UPDATED)
    await_due(world, changed)
    if bill is not None:
        collection.bill_now(world, bill)
    return world.get("subscription", subscription["id"])


def pause(world: World, subscription: Doc) -> Doc:
    """Pause a subscription that is asked to, crediting the time that is left.

    Source: https://docs.stripe.com/api/subscriptions/pause
    """
    proration.credit(world, subscription, items_of(subscription), world.now)
    return renewal.pause(world, subscription, "pause_requested")


def resume(
    world: World,
    subscription: Doc,
    *,
    restart: bool,
    prorate: str,
    moment: int | None,
    payment_behavior: str,
) -> Doc:
    """Resume a paused subscription: at once, or when the invoice of its resumption is paid.

    Source: https://docs.stripe.com/api/subscriptions/resume
    """
    if restart:
        changed = with_items(subscription, restarted(items_of(subscription), world.now))
        changed |= {"billing_cycle_anchor": world.now}
    else:
        present = [_present(world, subscription, each) for each in items_of(subscription)]
        changed = with_items(subscription, present)
        if prorate in _LOUD:
            proration.debit(world, changed, items_of(changed), moment or world.now)
    changed, bill = _billed(world, changed, restart=restart, now=prorate == "always_invoice")
    told = {name: changed[name] for name in ("items", "billing_cycle_anchor", "latest_invoice")}
    subscription = world.change(subscription, told)
    resuming = {"invoice": bill["id"], "payment_behavior": payment_behavior} if bill else {}
    world.store.set_setting(f"resuming {subscription['id']}", resuming)
    await_due(world, subscription)
    if bill is None:
        return resumed(world, subscription, "active")
    bill = invoice.finalize(world, bill)
    if bill["amount_due"] == 0 or payment_behavior == "resume_on_payment_success":
        collection.collect(world, bill)
    return world.get("subscription", subscription["id"])


def _billed(world: World, changed: Doc, *, restart: bool, now: bool) -> tuple[Doc, Doc | None]:
    """Draft the invoice of a change, where it begins a period or is to be billed now."""
    trial = changed["status"] == "trialing"
    made = [lines.of_item(world, changed, item, free=trial) for item in items_of(changed)]
    made = made if restart else []
    if not made and not (now and lines.waiting(world, changed["customer"], changed["id"])):
        return changed, None
    bill = invoice.bill(world, changed, "subscription_update", (world.now, world.now), made)
    left = discounts.left(world, changed["discounts"], bill)
    return changed | {"latest_invoice": bill["id"], "discounts": left}, bill


def _present(world: World, subscription: Doc, item: Doc) -> Doc:
    anchor, rhythm = subscription["billing_cycle_anchor"], item["price"]["recurring"]
    start, finish = period_around(anchor, world.now, rhythm)
    return item | {"current_period_start": start, "current_period_end": finish}


def _worth(item: Doc) -> tuple[str, str, int]:
    return item["id"], item["price"]["id"], item["quantity"]


def _rhythm_changes(before: list[Doc], after: list[Doc]) -> bool:
    paces = {item["id"]: _pace(item) for item in before}
    return any(paces.get(item["id"], _pace(item)) != _pace(item) for item in after)


def _pace(item: Doc) -> tuple[str, int]:
    rhythm = item["price"]["recurring"]
    return rhythm["interval"], rhythm["interval_count"]
