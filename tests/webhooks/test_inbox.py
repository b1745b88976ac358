"""What becomes of a stored event: applied, ignored, kept apart or set aside, and never lost."""

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from billing import checkout, queue
from billing.context import Context
from billing.models import (
    Donation,
    Feed,
    JournalEntry,
    ObjectLease,
    OutboxMessage,
    OwedState,
    Payment,
    Reader,
    StripeEvent,
    Subscription,
    Task,
)
from billing.money import Money
from billing.queue.owed import ATTEMPTS_BEFORE_PARKING, LOSSES_BEFORE_PARKING
from billing.reconciliation import NotReplayableError, replay_event, replay_since
from tests.support.stripe import LocalStripe
from tests.webhooks.conftest import event_of
from webhooks import dispatch, event, inbox
from webhooks.record import record, subject_in

Outcome = tuple[str, OwedState, str]


def receive(context: Context, *events: dict[str, Any]) -> None:
    """Store events as Stripe's door stores them."""
    for each in events:
        body = json.dumps(each).encode()
        said = event.read(body)
        with context.db.unit_of_work() as session:
            record(
                session,
                said,
                body=body,
                headers={},
                feed=Feed.WEBHOOK,
                subject=subject_in(said),
                settings=context.settings,
                now=context.clock.now(),
            )


def handle_all(context: Context) -> int:
    return inbox.handle_due(context, most=1000)


def outcomes(context: Context) -> list[Outcome]:
    with context.db.reading() as session:
        rows = session.scalars(sa.select(StripeEvent).order_by(StripeEvent.id))
        return [(row.event_id, row.state, row.outcome) for row in rows]


def the_event(context: Context) -> StripeEvent:
    with context.db.reading() as session:
        return session.scalars(sa.select(StripeEvent)).one()


def the_row(context: Context, event_id: str) -> StripeEvent:
    with context.db.reading() as session:
        return session.scalars(sa.select(StripeEvent).where(StripeEvent.event_id == event_id)).one()


def make_due(context: Context) -> None:
    """Let the wait before the next attempt be over."""
    with context.db.unit_of_work() as session:
        session.execute(
            sa.update(StripeEvent).values(run_at=context.clock.now() - timedelta(seconds=1))
        )


def give(context: Context, stripe: LocalStripe) -> None:
    """Give £25 on Stripe's page; nobody comes back to ours."""
    started = checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="127.0.0.1",
    )
    stripe.pay(started.url)


def subscribe(context: Context, stripe: LocalStripe) -> None:
    """Subscribe on Stripe's page; nobody comes back to ours."""
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)


def said(stripe: LocalStripe) -> list[dict[str, Any]]:
    """Return every event Stripe has, oldest first."""
    found = stripe.client.v1.events.list({"limit": 100}).auto_paging_iter()
    return [json.loads(str(each)) for each in found][::-1]


def of_the_gift(stripe: LocalStripe) -> list[dict[str, Any]]:
    """Return what bears on a gift of all Stripe has said; what is on sale does not."""
    catalogue = ("price.", "product.")
    acted_on = [each for each in said(stripe) if each["type"] in dispatch.TYPES]
    return [each for each in acted_on if not each["type"].startswith(catalogue)]


def effects(context: Context) -> dict[str, list[Any]]:
    """Return what we hold after everything, without what differs from one run to the next."""
    with context.db.reading() as session:
        return {
            "donations": list(session.scalars(sa.select(Donation.amount))),
            "payments": [tuple(r) for r in session.execute(
                sa.select(Payment.status, Payment.amount).order_by(Payment.amount))],
            "subscriptions": list(session.scalars(sa.select(Subscription.status))),
            "mail": sorted(session.scalars(sa.select(OutboxMessage.kind))),
            "entries": sorted(session.scalars(sa.select(JournalEntry.source_kind))),
        }  # fmt: skip


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


@pytest.mark.slow
def test_while_stripe_does_not_answer_an_event_waits_and_then_is_applied(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    (paid,) = [e for e in said(stripe) if e["type"] == "payment_intent.succeeded"]
    receive(context, paid)
    # Each attempt asks three times: the SDK tries again twice.
    stripe.control("fail_next", method="GET", path_prefix="/v1/payment_intents", times=6)

    for attempt in (1, 2):
        handle_all(context)
        row = the_event(context)
        assert (row.state, row.attempts, row.outcome) == (OwedState.READY, attempt, "")
        assert row.last_error.startswith("StripeUnavailableError")
        assert effects(context)["donations"] == []
        make_due(context)
    handle_all(context)

    assert outcomes(context) == [(paid["id"], OwedState.DONE, "applied")]
    assert effects(context)["donations"] == [25_00]


def test_an_outage_of_any_length_parks_nothing(context: Context, stripe: LocalStripe) -> None:
    receive(context, event_of(event_type="invoice.paid", data={"object": {"id": "in_1"}}))
    with context.db.unit_of_work() as session:
        session.execute(sa.update(StripeEvent).values(attempts=10 * ATTEMPTS_BEFORE_PARKING))
    stripe.control("fail_next", method="GET", times=3)

    handle_all(context)

    assert the_event(context).state is OwedState.READY


def _somebody_unknown(context: Context, stripe: LocalStripe) -> str:
    """Make a subscription which says it is ours, for nobody we know; return its id."""
    v1 = stripe.client.v1
    price = v1.prices.list({"lookup_keys": ["digital-month-standard"]}).data[0].id
    session = v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": 1}],
            "subscription_data": {"metadata": {"app": "morning-star"}},
            "success_url": "http://localhost:8000/",
        }
    )
    stripe.pay(str(session.url))
    return str(v1.checkout.sessions.retrieve(session.id).subscription)


def test_an_event_that_keeps_failing_is_set_aside_and_the_staff_told(
    context: Context, stripe: LocalStripe
) -> None:
    about = {"object": {"id": _somebody_unknown(context, stripe), "object": "subscription"}}
    receive(context, event_of(event_type="customer.subscription.updated", data=about))
    receive(context, event_of("evt_2", "something.unheard_of"))

    for _ in range(ATTEMPTS_BEFORE_PARKING):
        handle_all(context)
        make_due(context)

    states = {event_id: state for event_id, state, _ in outcomes(context)}
    assert states == {"evt_1": OwedState.PARKED, "evt_2": OwedState.DONE}
    with context.db.reading() as session:
        parked = session.scalars(sa.select(Task).where(Task.kind == "parked_event")).one()
    assert parked.subject.startswith("evt_1 ")
    assert "billing replay evt_1" in parked.detail


def test_the_row_a_database_refused_is_not_quoted_where_the_office_reads_why(
    context: Context,
) -> None:
    receive(context, event_of(event_type="invoice.paid", data={"object": {"id": "in_1"}}))
    now = context.clock.now()
    gwen = {"email": "gwen@example.org", "email_verified_at": now, "created_at": now}
    with pytest.raises(IntegrityError) as refused, context.db.unit_of_work() as session:
        session.add_all([Reader(**gwen), Reader(**gwen)])

    with context.db.unit_of_work() as session:
        (row,) = queue.claim_due(session, StripeEvent, now=now)
        queue.retry(session, row, error=str(refused.value), now=now)

    kept = the_event(context).last_error
    assert "unique" in kept.lower()
    assert len(kept.splitlines()) == 1
    assert "gwen" not in kept


def test_a_parked_event_can_be_replayed(context: Context, stripe: LocalStripe) -> None:
    give(context, stripe)
    (paid,) = [e for e in said(stripe) if e["type"] == "payment_intent.succeeded"]
    receive(context, paid)
    with context.db.unit_of_work() as session:
        (row,) = queue.claim_due(session, StripeEvent, now=context.clock.now())
        queue.park(session, row, error="for a reason")
    assert handle_all(context) == 0

    with context.db.unit_of_work() as session:
        replay_event(session, paid["id"], now=context.clock.now())
    handle_all(context)

    assert outcomes(context) == [(paid["id"], OwedState.DONE, "applied")]
    assert effects(context)["donations"] == [25_00]


def test_an_event_nobody_sent_cannot_be_replayed(context: Context) -> None:
    with pytest.raises(NotReplayableError), context.db.unit_of_work() as session:
        replay_event(session, "evt_none", now=context.clock.now())


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


def test_an_event_that_ends_its_worker_each_time_is_set_aside_and_holds_up_no_other(
    context: Context,
) -> None:
    receive(context, event_of("evt_deadly", "customer.subscription.updated"))
    now = context.clock.now()
    for _ in range(LOSSES_BEFORE_PARKING):  # each dies with it in hand, and its lease runs out
        with context.db.unit_of_work() as session:
            (row,) = queue.claim_due(session, StripeEvent, now=now)
        assert not queue.is_deadly(row)
        now += timedelta(minutes=3)
    with context.db.unit_of_work() as session:
        past = now - timedelta(days=1)
        session.execute(sa.update(StripeEvent).values(leased_until=past, run_at=past))
    receive(context, event_of("evt_after", "something.unheard_of"))

    assert handle_all(context) == 2

    assert outcomes(context) == [
        ("evt_deadly", OwedState.PARKED, ""),
        ("evt_after", OwedState.DONE, "ignored: not a type we act on"),
    ]
    with context.db.reading() as session:
        asked = session.scalars(sa.select(Task)).one()
    assert (asked.kind, "DeadlyError" in asked.detail) == ("parked_event", True)
    with context.db.unit_of_work() as session:
        replay_event(session, "evt_deadly", now=context.clock.now())
    assert the_row(context, "evt_deadly").lost_leases == 0


def test_all_since_a_moment_is_replayed_the_ignored_too_and_changes_nothing(
    context: Context, stripe: LocalStripe
) -> None:
    receive(context, event_of("evt_old", "something.unheard_of"))
    with context.db.unit_of_work() as session:
        long_ago = context.clock.now() - timedelta(days=9)
        session.execute(sa.update(StripeEvent).values(received_at=long_ago, created_at=long_ago))
    subscribe(context, stripe)
    give(context, stripe)
    receive(context, event_of("evt_foreign", livemode=True))
    receive(context, event_of("evt_ignored", "something.unheard_of"), *said(stripe))
    handle_all(context)
    before, effected = outcomes(context), effects(context)

    with context.db.unit_of_work() as session:
        since = context.clock.now() - timedelta(days=1)
        replayed = replay_since(session, since, now=context.clock.now())

    assert replayed == len(before) - 2  # neither the old one nor what is not ours
    assert {e for e, s, _ in outcomes(context) if s is OwedState.READY}.isdisjoint(
        {"evt_old", "evt_foreign"}
    )
    handle_all(context)
    assert ([e[:2] for e in outcomes(context)], effects(context)) == (
        [e[:2] for e in before],
        effected,
    )
