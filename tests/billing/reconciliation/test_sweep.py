"""The sweep: whatever was lost, we end where Stripe is, and are told what had been lost."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from billing.context import Context
from billing.models import (
    BalanceTransaction,
    Cursor,
    Donation,
    Entitlement,
    Feed,
    Interval,
    Payment,
    PaymentStatus,
    Reader,
    Refund,
    RefundStatus,
    Repair,
    Subscription,
    SubscriptionStatus,
)
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.rounds import nightly
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from tests.billing.reconciliation.test_any_delivery import (
    expect_the_end_of_the_story,
    tell_a_story,
    what_we_know,
)
from tests.support.reconciling import committed_writes, count, settle_all, subscribe
from tests.support.stripe import LocalStripe


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
