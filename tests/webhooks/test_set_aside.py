"""While Stripe fails an event waits; what keeps failing is set aside, seen, and tried again."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from billing import queue
from billing.context import Context
from billing.models import (
    OwedState,
    Reader,
    StripeEvent,
    Task,
)
from billing.queue.owed import ATTEMPTS_BEFORE_PARKING, LEASE, LOSSES_BEFORE_PARKING
from billing.reconciliation import NotReplayableError, replay_event, replay_since
from billing.stripe_gateway.client import TIMEOUT
from tests.support.stripe import LocalStripe
from tests.webhooks.conftest import event_of
from tests.webhooks.heard import (
    effects,
    give,
    handle_all,
    make_due,
    outcomes,
    receive,
    said,
    subscribe,
    the_event,
    the_row,
)
from webhooks import inbox


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


def test_while_stripe_is_slow_an_event_is_given_back_in_time_and_no_worker_counts_as_lost(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(context, stripe)
    (paid,) = [e for e in said(stripe) if e["type"] == "payment_intent.succeeded"]
    receive(context, paid)
    monkeypatch.setattr(inbox, "_PATIENCE", 0.2)
    stripe.control("fail_next", kind="slow", method="GET", delay=0.4)

    handle_all(context)

    row = the_event(context)
    assert (row.state, row.lost_leases) == (OwedState.READY, 0)
    assert row.last_error.startswith("StripeUnavailableError")
    make_due(context)
    handle_all(context)
    assert outcomes(context) == [(paid["id"], OwedState.DONE, "applied")]


def test_stripe_is_asked_no_more_early_enough_for_the_event_to_be_still_ours() -> None:
    assert 0 < inbox._PATIENCE <= LEASE.total_seconds() - 2 * TIMEOUT


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
        parked = session.scalars(sa.select(Task).where(Task.kind == "parked-event")).one()
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
    assert (asked.kind, "DeadlyError" in asked.detail) == ("parked-event", True)
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


def test_while_our_key_may_not_read_what_an_event_needs_it_waits_and_the_staff_are_asked_to_let_it(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    (paid,) = [e for e in said(stripe) if e["type"] == "payment_intent.succeeded"]
    receive(context, paid)
    not_let = {"kind": "error", "status": 403, "method": "GET"}
    stripe.control("fail_next", path_prefix="/v1/payment_intents", times=20, **not_let)

    for _ in range(ATTEMPTS_BEFORE_PARKING + 1):
        handle_all(context)
        make_due(context)

    with context.db.reading() as session:
        asked = session.scalars(sa.select(Task)).one()
    assert the_event(context).state is OwedState.READY
    assert (asked.kind, asked.subject) == ("key-refused", "payment")
    assert "does not let our key read what it needs" in asked.detail
    stripe.control("fail_next/clear")
    handle_all(context)
    assert effects(context)["donations"] == [25_00]


def test_what_was_heard_long_ago_and_is_to_be_handled_again_has_not_waited(
    context: Context, stripe: LocalStripe
) -> None:
    receive(context, event_of(event_type="invoice.paid", data={"object": {"id": "in_1"}}))
    handle_all(context)
    stripe.advance(seconds=7 * 3600)

    with context.db.unit_of_work() as session:
        replay_event(session, "evt_1", now=context.clock.now())

    assert inbox.ask_about_old(context) == 0


def test_events_that_wait_for_hours_are_a_question_until_none_does(
    context: Context, stripe: LocalStripe
) -> None:
    receive(context, event_of(event_type="invoice.paid", data={"object": {"id": "in_1"}}))
    stripe.control("fail_next", method="GET", times=3)
    handle_all(context)
    assert inbox.ask_about_old(context) == 0

    stripe.advance(seconds=7 * 3600)
    assert [inbox.ask_about_old(context) for _ in range(2)] == [1, 1]

    with context.db.reading() as session:
        asked = session.scalars(sa.select(Task)).one()
    assert (asked.kind, asked.closed_at) == ("events-wait", None)
    assert "1 event from Stripe waited for more than 6 hours" in asked.detail
    assert "StripeUnavailableError" in asked.detail
    handle_all(context)
    assert inbox.ask_about_old(context) == 0
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.closed_at)).one() is not None
