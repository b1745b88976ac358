"""What becomes of a stored event: applied, ignored, kept apart, and never lost."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import queue
from billing.context import Context
from billing.models import (
    Feed,
    ObjectLease,
    OwedState,
    StripeEvent,
)
from billing.reconciliation import NotReplayableError, replay_event
from tests.support.stripe import LocalStripe
from tests.webhooks.conftest import event_of
from tests.webhooks.heard import (
    effects,
    give,
    handle_all,
    make_due,
    of_the_gift,
    outcomes,
    receive,
    said,
    subscribe,
    the_event,
)
from webhooks import inbox


def test_a_type_nobody_acts_on_is_kept_and_ignored(context: Context) -> None:
    receive(context, event_of(event_type="something.unheard_of"))

    assert handle_all(context) == 1
    assert outcomes(context) == [("evt_1", OwedState.DONE, "ignored: not a type we act on")]


def test_an_event_without_the_object_it_needs_is_ignored(context: Context) -> None:
    receive(context, event_of(event_type="invoice.paid", data={"object": {"object": "invoice"}}))

    assert handle_all(context) == 1
    assert outcomes(context) == [("evt_1", OwedState.DONE, "ignored: it names no object")]


def test_a_quarantined_event_is_never_handled_nor_replayed(context: Context) -> None:
    receive(context, event_of(livemode=True))

    assert handle_all(context) == 0
    with pytest.raises(NotReplayableError), context.db.unit_of_work() as session:
        replay_event(session, "evt_1", now=context.clock.now())


def test_an_event_about_an_object_stripe_no_longer_has_is_applied(context: Context) -> None:
    gone = {"object": {"id": "sub_gone", "object": "subscription"}}
    receive(context, event_of(event_type="customer.subscription.deleted", data=gone))

    handle_all(context)

    assert outcomes(context) == [("evt_1", OwedState.DONE, "applied")]


def test_a_gift_whose_giver_never_came_back_is_booked_and_thanked_for(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    receive(context, *said(stripe))

    handle_all(context)

    assert effects(context) == {
        "donations": [25_00],
        "payments": [("succeeded", 25_00)],
        "subscriptions": [],
        "mail": ["donation_thanks"],
        "entries": ["balance_transaction"],
    }
    assert {state for _, state, _ in outcomes(context)} == {OwedState.DONE}


def _once(context: Context, events: Sequence[dict[str, Any]]) -> None:
    receive(context, *events)
    handle_all(context)


def _backwards(context: Context, events: Sequence[dict[str, Any]]) -> None:
    for each in reversed(events):
        _once(context, [each])


def _shuffled_and_again(context: Context, events: Sequence[dict[str, Any]]) -> None:
    for seed in (1, 2, 3):
        mixed = random.Random(seed).sample(list(events), len(events))  # noqa: S311
        _once(context, mixed)
        with context.db.unit_of_work() as session:
            for each in mixed:
                replay_event(session, each["id"], now=context.clock.now())
        handle_all(context)


def _by_four_at_once(context: Context, events: Sequence[dict[str, Any]]) -> None:
    receive(context, *events)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: handle_all(context), range(4)))
    make_due(context)
    handle_all(context)


@pytest.mark.parametrize("way", [_once, _backwards, _shuffled_and_again, _by_four_at_once])
def test_however_the_events_come_the_end_is_the_same(
    way: Any, context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    give(context, stripe)

    way(context, said(stripe))

    assert effects(context) == {
        "donations": [25_00],
        "payments": [("succeeded", 5_49), ("succeeded", 25_00)],
        "subscriptions": ["active"],
        "mail": ["donation_thanks", "subscription_started"],
        "entries": ["balance_transaction", "balance_transaction"],
    }


def test_a_worker_that_lost_its_event_to_another_marks_nothing(context: Context) -> None:
    receive(context, event_of(event_type="invoice.paid", data={"object": {"id": "in_1"}}))
    with context.db.unit_of_work() as session:
        (mine,) = queue.claim_due(session, StripeEvent, now=context.clock.now())
    with context.db.unit_of_work() as session:
        later = context.clock.now() + timedelta(minutes=5)
        (theirs,) = queue.claim_due(session, StripeEvent, now=later)

    inbox._handle(context, inbox._Claim(mine, (), Feed.WEBHOOK))

    row = the_event(context)
    assert (row.state, row.attempts, row.outcome) == (OwedState.RUNNING, theirs.attempts, "")


def test_many_events_of_one_object_are_one_look(context: Context, stripe: LocalStripe) -> None:
    give(context, stripe)
    about = [e for e in of_the_gift(stripe) if "session" not in e["type"]]
    assert len(about) > 1
    receive(context, event_of("evt_other", "something.unheard_of"), *about)

    assert handle_all(context) == 2
    first, *others = [e["id"] for e in about]

    assert outcomes(context) == [
        ("evt_other", OwedState.DONE, "ignored: not a type we act on"),
        (first, OwedState.DONE, "applied"),
        *((each, OwedState.DONE, f"applied with {first}") for each in others),
    ]
    with context.db.reading() as session:
        assert session.scalars(sa.select(ObjectLease.fence)).all() == [1]
    assert effects(context)["donations"] == [25_00]


def test_what_arrives_once_a_look_has_begun_is_a_look_of_its_own(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    about = [e for e in said(stripe) if e["data"]["object"]["object"] == "payment_intent"]
    receive(context, about[0])
    with context.db.unit_of_work() as session:
        claim = inbox._claim(session, now=context.clock.now())
    assert claim is not None
    receive(context, about[1])  # Stripe may say what our look was too early to see

    inbox._handle(context, claim)

    assert [state for _, state, _ in outcomes(context)] == [OwedState.DONE, OwedState.READY]


def test_a_look_that_failed_answers_nothing(context: Context, stripe: LocalStripe) -> None:
    give(context, stripe)
    receive(context, *of_the_gift(stripe))
    stripe.control("fail_next", method="GET", times=1, status=429)

    assert inbox.handle_due(context, most=1) == 1

    assert {state for _, state, _ in outcomes(context)} == {OwedState.READY}
