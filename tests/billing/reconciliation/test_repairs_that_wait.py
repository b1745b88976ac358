"""What is not repaired at once: for a webhook on its way, or for a person who agrees."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from billing.context import Context
from billing.models import ObjectLease, OutboxMessage, StripeEvent, Subscription, Task
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from tests.support.reconciling import committed_writes, count, settle_all, subscribe
from tests.support.stripe import LocalStripe


def test_a_dry_run_says_what_differs_and_writes_nothing(
    context: Context, stripe: LocalStripe
) -> None:
    subscription = subscribe(context, stripe)
    stripe.advance(seconds=700)

    with committed_writes(context.db) as written:
        report = sweep(context, since=BEGINNING, apply=False)

    assert written == []
    assert report.exit_code == 1
    assert f"subscription {subscription}: not repaired" in report.in_words()
    assert count(context, Subscription.id) == 0


def test_a_repair_of_more_readers_than_agreed_waits_for_a_person(
    context: Context, stripe: LocalStripe
) -> None:
    for number in range(2):
        subscribe(context, stripe, email=f"reader{number}@example.org")
    stripe.advance(seconds=700)

    held = sweep(context, since=BEGINNING, most_readers=1)

    assert held.waiting_for == 2
    assert "--most-readers 2" in "\n".join(held.in_words())
    assert (count(context, Subscription.id), count(context, OutboxMessage.id)) == (0, 0)
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["too-many-repairs"]
    agreed = sweep(context, since=BEGINNING, most_readers=held.waiting_for)
    assert agreed.waiting_for == 0
    assert count(context, Subscription.id) == 2


def test_what_comes_to_light_only_after_a_repair_is_counted_against_the_same_limit(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(context, stripe)
    stripe.advance(seconds=700)
    pauses = []

    def meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            for number in range(2):
                subscribe(context, stripe, email=f"reader{number}@example.org")
            stripe.advance(seconds=700)

    monkeypatch.setattr("billing.reconciliation.sweep.time.sleep", meanwhile)
    held = sweep(context, since=BEGINNING, most_readers=1, patience=1)

    assert held.waiting_for == 2
    assert "NO MORE was repaired" in "\n".join(held.in_words())
    assert count(context, Subscription.id) == 1
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["too-many-repairs"]
    assert sweep(context, since=BEGINNING, most_readers=held.waiting_for).waiting_for == 0
    assert count(context, Subscription.id) == 3


def test_what_stripe_has_only_just_said_is_left_to_its_webhook(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)

    young = sweep(context, since=BEGINNING)

    assert (young.drifts, young.left > 0, young.exit_code) == ([], True, 0)
    stripe.advance(seconds=700)
    assert sweep(context, since=BEGINNING).drifts != []


@pytest.mark.parametrize(("minutes", "excused"), [(1, True), (11, False)])
def test_an_event_that_waits_here_excuses_a_difference_for_a_while_and_no_longer(
    context: Context, stripe: LocalStripe, *, minutes: int, excused: bool
) -> None:
    theirs = subscribe(context, stripe)
    settle_all(context, stripe)
    stripe.client.v1.subscriptions.update(theirs, {"cancel_at_period_end": True})
    stripe.advance(seconds=700)
    now = context.clock.now()
    with context.db.unit_of_work() as session:  # and no worker takes it up
        session.add(
            StripeEvent(
                event_id="evt_waits",
                type="customer.subscription.updated",
                livemode=False,
                created_at=now,
                received_at=now - timedelta(minutes=minutes),
                headers={},
                body=b"{}",
                run_at=now,
                subject=f"subscription:{theirs}",
            )
        )

    found = verify(context, since=BEGINNING)

    seen = [drift.object_id for drift in found.mirror.drifts]
    assert (seen, found.mirror.left, found.exit_code) == (
        ([], 1, 0) if excused else ([theirs], 0, 1)
    )


def test_what_somebody_else_holds_was_not_compared_and_is_not_called_agreed(
    context: Context, stripe: LocalStripe
) -> None:
    theirs = subscribe(context, stripe)
    settle_all(context, stripe)
    until = context.clock.now() + timedelta(seconds=50)
    with context.db.unit_of_work() as session:
        held = sa.update(ObjectLease).where(ObjectLease.object_id == theirs)
        session.execute(held.values(leased_until=until))

    found = verify(context, since=BEGINNING)

    assert found.mirror.failed == {f"subscription:{theirs}": "somebody else was looking at it"}
    assert found.exit_code == 2
    assert found.lines[-1].endswith("NOT ALL WAS COMPARED; NO DIFFERENCE IN WHAT WAS SEEN")


def test_what_waits_for_a_person_is_repaired_by_the_command_that_is_named(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    stripe.advance(seconds=700)

    every, some = (
        sweep(context, since=since, most_readers=0) for since in (BEGINNING, context.clock.now())
    )

    with context.db.reading() as session:
        asked = sa.select(Task.detail).where(Task.kind == "too-many-repairs").order_by(Task.id)
        of_all, of_some = session.scalars(asked)
    assert "run `billing reconcile --full --most-readers 1`" in of_all
    assert "run `billing reconcile --most-readers 1`" in of_some
    assert every.cure == "billing reconcile --full --most-readers 1"
    assert some.cure == "billing reconcile --most-readers 1"
