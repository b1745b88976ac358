"""The sweep: whatever was lost, we end where Stripe is, and are told what had been lost."""

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import (
    Account,
    AccountKind,
    BalanceTransaction,
    Cursor,
    Donation,
    Entitlement,
    EntitlementSource,
    Feed,
    Interval,
    ObjectLease,
    OutboxMessage,
    Payment,
    PaymentStatus,
    Reader,
    Refund,
    RefundStatus,
    Repair,
    StripeEvent,
    Subscription,
    SubscriptionStatus,
    Task,
)
from billing.money import Money
from billing.reconciliation import rehearsal
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.rounds import nightly
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from billing.stripe_gateway import whose
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.told import Key, tell
from tests.billing.reconciliation.test_any_delivery import (
    expect_the_end_of_the_story,
    tell_a_story,
    what_we_know,
)
from tests.support.reconciling import CountingGateway, committed_writes
from tests.support.stripe import LocalStripe


def subscribe(context: Context, stripe: LocalStripe, email: str = "reader@example.org") -> str:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url, email=email)
    return stripe.client.v1.subscriptions.list({"limit": 1}).data[0].id


def settle_all(context: Context, stripe: LocalStripe) -> None:
    """Agree with Stripe, with nothing left that is younger than a webhook may take."""
    stripe.advance(seconds=700)
    assert sweep(context, since=BEGINNING).stopped == ""


def count(context: Context, column: Any) -> int:
    with context.db.reading() as session:
        return session.scalar(sa.select(sa.func.count(column))) or 0


def test_with_every_webhook_dropped_the_sweep_alone_ends_where_stripe_is_and_then_writes_nothing(
    context: Context, stripe: LocalStripe
) -> None:
    tell_a_story(context, stripe)
    stripe.advance(seconds=700)

    report = sweep(context, since=BEGINNING)

    expect_the_end_of_the_story(context)
    assert [drift.object_id for drift in report.drifts if not drift.repaired] == []
    assert report.exit_code == 1
    with context.db.reading() as session:
        assert set(session.scalars(sa.select(Repair.feed))) == {Feed.SWEEP}
        repaired = {(row.kind, row.object_id) for row in session.scalars(sa.select(Repair))}
    assert repaired == {(drift.kind, drift.object_id) for drift in report.drifts}
    known = what_we_know(context)
    with committed_writes(context.db) as written:
        again = sweep(context, since=BEGINNING)
    assert (written, again.exit_code, again.in_words()[-1]) == ([], 0, "no difference")
    assert what_we_know(context) == known


@pytest.mark.slow
def test_rows_deleted_at_random_are_restored_by_the_nightly_round(
    context: Context, stripe: LocalStripe
) -> None:
    tell_a_story(context, stripe)
    settle_all(context, stripe)
    known = what_we_know(context)
    failed = Payment.status != PaymentStatus.SUCCEEDED
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(BalanceTransaction))
        for table in (Donation, Refund, Entitlement, Subscription):
            session.execute(sa.delete(table))
        session.execute(sa.delete(Payment).where(failed))
        session.execute(sa.update(Payment).values(refunded_amount=0))
        session.execute(sa.delete(Cursor))

    report = nightly(context)

    assert what_we_know(context) == known
    assert {drift.repaired for drift in report.drifts} == {True}
    assert nightly(context).exit_code == 0


def test_a_right_whose_subscription_is_lost_does_not_outlive_it(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    rights = what_we_know(context)["rights"]
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Subscription))

    sweep(context, since=BEGINNING)

    assert what_we_know(context)["rights"] == rights
    with context.db.reading() as session:
        source = session.scalars(
            sa.select(Entitlement.source_id).where(Entitlement.superseded_at.is_(None))
        ).one()
        assert source == str(session.scalars(sa.select(Subscription.id)).one())


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


def test_a_row_of_ours_that_stripe_does_not_have_ends_and_stays_ended(
    context: Context, stripe: LocalStripe, now: datetime
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = session.scalars(sa.select(Reader.id).limit(1)).one()
        session.add(
            Subscription(
                id=uuid4(),
                reader_id=reader,
                stripe_subscription_id="sub_nobody_has",
                status=SubscriptionStatus.ACTIVE,
                plan="digital",
                stripe_price_id="price_1",
                amount=5_49,
                currency="gbp",
                interval=Interval.MONTH,
                started_at=now,
                paid_until=now + timedelta(days=30),
            )
        )

    report = sweep(context, since=None)

    assert [(d.object_id, d.repaired) for d in report.drifts] == [("sub_nobody_has", True)]
    with context.db.reading() as session:
        gone = Subscription.stripe_subscription_id == "sub_nobody_has"
        assert session.scalars(sa.select(Subscription.status).where(gone)).one() == "canceled"
    assert sweep(context, since=None).exit_code == 0


def test_one_object_that_cannot_be_taken_in_keeps_no_other_waiting(
    context: Context, stripe: LocalStripe
) -> None:
    for appeal in ("95th-anniversary", "fighting-fund"):
        gift = checkout.start_donation(
            context,
            appeal=appeal,
            amount=Money(25_00),
            reader_id=None,
            shown={},
            caller="192.0.2.1",
        )
        stripe.pay(gift.url)
    stripe.advance(seconds=700)
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Account).where(Account.code == "4910"))

    report = sweep(context, since=BEGINNING)

    assert what_we_know(context)["gifts"] == [("2500", "fighting-fund")]
    assert report.exit_code == 2
    with context.db.unit_of_work() as session:
        session.add(Account(code="4910", name="The appeal", kind=AccountKind.INCOME))
    sweep(context, since=BEGINNING)
    assert len(what_we_know(context)["gifts"]) == 2


def test_a_silent_stripe_stops_the_round_politely_and_keeps_its_cursor(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    nightly(context)
    with context.db.reading() as session:
        before = session.get_one(Cursor, "sweep").at
    stripe.control("fail_next", method="GET", status=429, times=20)

    report = nightly(context)

    assert report.exit_code == 2
    assert report.stopped.startswith("Stripe did not answer")
    with context.db.reading() as session:
        assert session.get_one(Cursor, "sweep").at == before


def test_a_cursor_older_than_thirty_days_compares_everything_and_says_so_loudly(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Entitlement))
        session.execute(sa.delete(Donation))
        session.merge(Cursor(name="sweep", at=context.clock.now() - timedelta(days=31)))

    report = nightly(context)

    assert {drift.repaired for drift in report.drifts} == {True}
    with context.db.reading() as session:
        assert "long-gap" in session.scalars(sa.select(Task.kind)).all()
        rights = session.scalars(sa.select(Entitlement.source)).all()
    assert rights == [EntitlementSource.SUBSCRIPTION]


@pytest.mark.slow
def test_walking_costs_a_call_for_a_hundred_objects_and_none_for_each(
    context: Context, stripe: LocalStripe
) -> None:
    gateway = CountingGateway(context.settings)
    counting = replace(context, gateway=gateway)
    whose.make_sure(context.db, gateway, now=context.clock.now())  # once for each process
    asked = []
    for _ in range(2):
        for number in range(2):
            subscribe(context, stripe, email=f"reader{number}@example.org")
        settle_all(context, stripe)
        gateway.asked = 0
        assert sweep(counting, since=BEGINNING).exit_code == 0
        asked.append(gateway.asked)
    assert asked[0] == asked[1]


def test_what_differs_is_read_once_to_find_it_and_once_to_make_sure(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        subscribe(context, stripe, email=f"reader{number}@example.org")
    stripe.advance(seconds=700)
    read: list[Key] = []

    def tell_and_note(gateway: Gateway, told: MutableMapping[Key, Any], key: Key) -> None:
        read.append(key)
        tell(gateway, told, key)

    monkeypatch.setattr(rehearsal, "tell", tell_and_note)

    report = sweep(context, since=BEGINNING, apply=False)

    kinds = {drift.kind for drift in report.drifts}
    assert {"subscription", "checkout", "payment"} <= kinds, "each is part of the others"
    assert max(Counter(read).values()) == 2


def test_a_new_database_on_an_old_account_walks_no_history_until_somebody_adopts_it(
    context: Context, stripe: LocalStripe
) -> None:
    tell_a_story(context, stripe)
    with context.db.unit_of_work() as session:
        for table in ("outbox_message", "entitlement", "customer", "checkout", "cursor"):
            session.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608  # names of ours

    report = nightly(context)

    assert report.exit_code == 2
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["adopt-first"]
    assert count(context, OutboxMessage.id) == 0


def test_rights_that_look_alike_are_each_counted_and_each_put_right(
    context: Context, stripe: LocalStripe
) -> None:
    for number in range(4):
        subscribe(context, stripe, email=f"reader{number}@example.org")
    settle_all(context, stripe)
    with context.db.unit_of_work() as session:  # as after a restore of half a backup
        session.execute(sa.delete(Entitlement))

    assert len(sweep(context, since=None, apply=False).drifts) == 4
    held = sweep(context, since=None, most_readers=3)
    assert (held.waiting_for, count(context, Entitlement.id)) == (4, 0)
    assert sweep(context, since=None, most_readers=4).exit_code == 1

    assert count(context, Entitlement.id) == 4
    assert verify(context, since=BEGINNING).exit_code == 0


def test_a_refund_under_way_is_compared_however_old_it_is(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    charge = stripe.client.v1.charges.list().data[0]
    refund = stripe.client.v1.refunds.create({"charge": charge.id, "amount": 1_00})
    stripe.rewrite(refund.id, status="pending")
    settle_all(context, stripe)
    stripe.rewrite(refund.id, status="failed", failure_reason="unknown")

    report = sweep(context, since=None)

    assert str(charge.payment_intent) in {drift.object_id for drift in report.drifts}
    with context.db.reading() as session:
        assert session.scalars(sa.select(Refund.status)).one() is RefundStatus.FAILED


def test_a_round_looks_at_the_account_the_prices_and_what_stripe_asks_of_staff(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    charge = stripe.client.v1.charges.list().data[0].id
    stripe.control(f"charges/{charge}/review")
    price = stripe.client.v1.prices.list({"limit": 1}).data[0].id
    stripe.client.v1.prices.update(price, {"active": False})
    stripe.advance(seconds=700)

    nightly(context)

    with context.db.reading() as session:
        kinds = set(session.scalars(sa.select(Task.kind).where(Task.closed_at.is_(None))))
    assert {"review", "price-differs"} <= kinds


def test_a_list_our_key_may_not_read_keeps_a_round_from_none_of_the_others(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    price = stripe.client.v1.prices.list({"limit": 1}).data[0].id
    stripe.client.v1.prices.update(price, {"active": False})
    stripe.advance(seconds=700)
    stripe.control(
        "fail_next", kind="error", method="GET", status=403, path_prefix="/v1/reviews", times=1
    )

    nightly(context)

    with context.db.reading() as session:
        asked = {(task.kind, task.subject) for task in session.scalars(sa.select(Task))}
    assert ("key-refused", "reviews") in asked
    assert "price-differs" in {kind for kind, _ in asked}
