"""What the calendar does to a subscription: renewed, out of trial, given up, ended."""

from typing import Any

from sandbox.engine import discounts, invoice, lines
from sandbox.engine.periods import period_end
from sandbox.engine.subscription import (
    ENDED,
    await_due,
    become,
    end,
    items_of,
    method_of,
    period_ends,
    with_items,
)
from sandbox.kernel.world import Doc, World, job


@job("subscription.due")
def look(world: World, ident: str) -> None:
    """Do what a subscription's own dates ask for at this moment, if anything.

    Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-lifecycle
    """
    subscription = world.get("subscription", ident)
    status = subscription["status"]
    if status in ENDED:
        return
    if subscription["cancel_at"] and subscription["cancel_at"] <= world.now:
        end(world, subscription, reason="cancellation_requested")
    elif status == "trialing" and subscription["trial_end"] <= world.now:
        _end_trial(world, subscription)
    elif status not in {"incomplete", "paused"} and min(period_ends(subscription)) <= world.now:
        renew(world, subscription)


@job("subscription.first_payment")
def _give_up(world: World, ident: str) -> None:
    """Give up a subscription whose first invoice was not paid within 23 hours.

    One that was to be resumed stays paused, if nobody has tried to pay.

    Source: https://docs.stripe.com/api/subscriptions/resume
    """
    subscription = world.get("subscription", ident)
    bill = world.get("invoice", subscription["latest_invoice"])
    untried = subscription["status"] == "paused" and not bill["attempted"]
    if bill["status"] == "open" and (untried or subscription["status"] == "incomplete"):
        invoice.void(world, bill)
    if subscription["status"] == "incomplete":
        become(world, subscription, "incomplete_expired", ended_at=world.now)


@job("subscription.trial_ends")
def _tell_of_trial(world: World, ident: str) -> None:
    """Say three days before that a trial ends, or at once of a shorter one."""
    # Source: https://docs.stripe.com/billing/subscriptions/trials
    subscription = world.get("subscription", ident)
    if subscription["status"] == "trialing":
        world.emit("customer.subscription.trial_will_end", subscription)


@job("subscription.resumes")
def _collect_again(world: World, ident: str) -> None:
    """End a pause of collection at the moment that was set for it."""
    # Source: https://docs.stripe.com/billing/subscriptions/pause-payment
    subscription = world.get("subscription", ident)
    pause = subscription["pause_collection"] or {}
    if subscription["status"] not in ENDED and pause.get("resumes_at") == world.now:
        over = {"pause_collection": None}
        world.change(subscription, over, event="customer.subscription.updated")


def renew(world: World, subscription: Doc, **fields: Any) -> Doc:
    """Begin the next period of the items whose period is over; the invoice is a draft for an hour.

    Returns:
        The draft.

    Source: https://docs.stripe.com/billing/subscriptions/webhooks#renewals
    """
    before, anchor = items_of(subscription), subscription["billing_cycle_anchor"]
    items = [_next_period(world, item, anchor) for item in before]
    rolled = with_items(subscription, items)
    over = [item for item in before if item["current_period_end"] <= world.now]
    period = (over[0]["current_period_start"], over[0]["current_period_end"])
    made = [lines.of_item(world, rolled, item) for item in items if item not in before]
    bill = invoice.bill(world, rolled, "subscription_cycle", period, made)
    fields |= {"items": rolled["items"], "latest_invoice": bill["id"]}
    fields |= {"discounts": discounts.left(world, subscription["discounts"], bill)}
    changed = world.change(subscription, fields, event="customer.subscription.updated")
    await_due(world, changed)
    return _held_back(world, changed, bill)


def pause(world: World, subscription: Doc, why: str, **fields: Any) -> Doc:
    """Pause a subscription: no more invoices until it is resumed.

    Source: https://docs.stripe.com/changelog/endive/2026-09-30/pause-subscription
    """
    paused = {"subscription": {"type": why}, "transitioned_at": world.now, "type": "subscription"}
    world.store.set_setting(f"resuming {subscription['id']}", {})
    changed = become(world, subscription, "paused", status_details={"paused": paused}, **fields)
    world.emit("customer.subscription.paused", changed)
    return changed


def _next_period(world: World, item: Doc, anchor: int) -> Doc:
    start = item["current_period_end"]
    if start > world.now:
        return item
    finish = period_end(anchor, start, item["price"]["recurring"])
    return item | {"current_period_start": start, "current_period_end": finish}


def _held_back(world: World, subscription: Doc, bill: Doc) -> Doc:
    """Do not collect a renewal while collection is paused, or after every retry has failed."""
    # Source: https://docs.stripe.com/billing/subscriptions/pause-payment
    match (subscription["pause_collection"] or {}).get("behavior"):
        case "void":
            bill = invoice.void(world, invoice.finalize(world, bill))
        case "mark_uncollectible":
            bill = invoice.give_up(world, invoice.finalize(world, bill), "subscription_paused")
        case "keep_as_draft":
            bill = invoice.stop_collecting(world, bill)
        case _ if subscription["status"] == "unpaid":
            bill = invoice.stop_collecting(world, bill)
    return bill


def _end_trial(world: World, subscription: Doc) -> None:
    """Let the first paid period begin; without a way to pay, do as the subscription says."""
    # Source: https://docs.stripe.com/billing/subscriptions/trials#create-free-trials-without-payment
    lacking = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    customer = world.get("customer", subscription["customer"])
    if method_of(subscription, customer) is not None or lacking == "create_invoice":
        renew(world, subscription, status="active")
    elif lacking == "pause":
        pause(world, subscription, "trial_end_without_payment_method")
    else:
        end(world, subscription, reason=None)
