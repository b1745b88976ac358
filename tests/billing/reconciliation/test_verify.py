"""A verification finds every kind of drift, changes nothing, and is kept even without any."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing.books.ledger import Line, post
from billing.clock import accounting_day
from billing.context import Context
from billing.models import (
    BalanceTransaction,
    Checkout,
    CheckoutStatus,
    Customer,
    Dispute,
    Donation,
    Entitlement,
    Payment,
    PaymentMethod,
    Payout,
    PayoutStatus,
    Refund,
    Subscription,
    Task,
    Verification,
)
from billing.money import Money
from billing.reconciliation.books import compare_books
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import Verified, verify, verify_daily
from tests.billing.reconciliation.test_any_delivery import tell_a_story
from tests.support.reconciling import committed_writes
from tests.support.stripe import LocalStripe


@pytest.fixture
def agreed(context: Context, stripe: LocalStripe) -> Context:
    """Us and Stripe in full agreement, after a story."""
    tell_a_story(context, stripe)
    stripe.advance(seconds=700)
    sweep(context, since=BEGINNING)
    return context


def verified(context: Context) -> Verified:
    return verify(context, since=BEGINNING)


def fields(found: Verified) -> set[str]:
    return {d.field.partition(".")[0] for drift in found.mirror.drifts for d in drift.differences}


def test_a_day_without_any_difference_is_kept_like_any_other(agreed: Context) -> None:
    with committed_writes(agreed.db) as written:
        found = verified(agreed)

    assert (found.exit_code, found.differences) == (0, 0)
    assert found.lines[-1].endswith("NO DIFFERENCE")
    assert [sql.split()[2] for sql in written] == ["verification"]
    with agreed.db.reading() as session:
        kept = session.scalars(sa.select(Verification)).one()
        assert session.scalars(sa.select(Task.id)).all() == []
    assert (kept.differences, kept.at) == (0, found.cutoff)
    assert kept.report["compared"]["payment"] == 6
    assert kept.report["books"]["held"]["gbp"]["difference"] == 0
    assert kept.report["books"]["movements"] == 7


PLANTED: Any = {
    "subscription": sa.update(Subscription).values(status="paused"),
    "entitlement": sa.delete(Entitlement),
    "payment": sa.update(Payment).values(amount=Payment.amount + 1),
    "donation": sa.delete(Donation),
    "refund": sa.update(Refund).values(status="pending"),
    "checkout": sa.update(Checkout).values(status=CheckoutStatus.OPEN),
    "balance_transaction": sa.delete(BalanceTransaction),
    "customer": sa.update(Customer).values(balance=-5_00),
    "payment_method": sa.update(PaymentMethod).values(label="Visa ending 0000"),
    "dispute": sa.update(Dispute).values(status="lost"),
    "payout": sa.update(Payout).values(status="pending"),
}


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_finds_a_planted_drift_of_each_kind_and_leaves_it_alone(
    agreed: Context, stripe: LocalStripe
) -> None:
    stripe.control("payouts/run")
    gift = next(c for c in stripe.client.v1.charges.list().data if c.amount == 25_00)
    stripe.control("disputes/open", charge=gift.id)
    stripe.advance(days=7)
    stripe.advance(seconds=700)
    sweep(agreed, since=BEGINNING)
    for kind, drift in PLANTED.items():
        with agreed.db.unit_of_work() as session:
            session.execute(drift)

        found = verified(agreed)

        assert (found.exit_code, fields(found) >= {kind}) == (1, True), kind
        assert {d.repaired for d in found.mirror.drifts} == {False}
        sweep(agreed, since=BEGINNING)
    assert verified(agreed).exit_code == 0


def test_money_that_only_the_ledger_knows_is_a_fault_of_the_books(agreed: Context) -> None:
    now = agreed.clock.now()
    with agreed.db.unit_of_work() as session:
        post(
            session,
            source_kind="by hand",
            source_id="1",
            day=accounting_day(now),
            description="A mistake",
            lines=(Line("1240", Money(5_00)), Line("2130", Money(-5_00))),
            now=now,
        )

    found = verified(agreed)

    assert found.exit_code == 1
    assert found.books is not None
    assert found.books.held["gbp"]["difference"] == 5_00
    assert found.books.faults == ["the ledger says £5.00 more than Stripe holds for us"]
    with agreed.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["verification"]


def asked(context: Context) -> list[str]:
    """Return since when the staff are asked about a difference, where they still are."""
    with context.db.reading() as session:
        waits = sa.select(Task.subject).where(Task.kind == "verification", Task.closed_at.is_(None))
        return sorted(session.scalars(waits))


def test_a_question_is_closed_by_what_looks_as_far_back_and_agrees(agreed: Context) -> None:
    last_month = agreed.clock.now() - timedelta(days=38)
    with agreed.db.unit_of_work() as session:
        session.execute(sa.update(Payment).values(amount=Payment.amount + 1))
    verify(agreed, since=last_month)
    verify(agreed, since=BEGINNING)
    both = ["2000-01-01", last_month.date().isoformat()]
    assert asked(agreed) == both
    sweep(agreed, since=BEGINNING)

    verify(agreed, since=last_month + timedelta(days=1))
    assert asked(agreed) == both
    verify_daily(agreed)
    assert asked(agreed) == ["2000-01-01"]
    verify(agreed, since=BEGINNING)
    assert asked(agreed) == []


def test_what_moves_while_it_looks_is_on_its_way_and_no_difference(
    agreed: Context, stripe: LocalStripe
) -> None:
    charge = next(c for c in stripe.client.v1.charges.list().data if c.amount == 25_00)
    stripe.client.v1.refunds.create({"charge": charge.id, "amount": 1_00})

    found = verified(agreed)

    assert (found.exit_code, found.mirror.left > 0) == (0, True)
    assert found.books is not None
    assert found.books.held["gbp"]["on_its_way"] == -1_00
    stripe.advance(seconds=int(timedelta(minutes=20).total_seconds()))
    assert verified(agreed).exit_code == 1


def test_a_silent_stripe_is_no_agreement(agreed: Context, stripe: LocalStripe) -> None:
    stripe.control("fail_next", method="GET", status=429, times=50)

    found = verified(agreed)

    assert found.exit_code == 2
    with agreed.db.reading() as session:
        kept = session.scalars(sa.select(Verification)).one()
        tasks = session.scalars(sa.select(Task.detail).where(Task.kind == "verification")).all()
    assert kept.report["stopped"].startswith("Stripe did not answer")
    assert kept.report["whole"] is False
    assert found.lines[-1].endswith("NOT ALL WAS COMPARED; NO DIFFERENCE IN WHAT WAS SEEN")
    assert [task.split(".")[0] for task in tasks] == [
        "Not everything could be compared with Stripe"
    ]


def test_a_payout_that_arrived_and_was_never_said_to_be_complete_is_no_agreement_for_ever(
    agreed: Context, stripe: LocalStripe
) -> None:
    arrived = agreed.clock.now()
    with agreed.db.unit_of_work() as session:
        session.add(
            Payout(
                stripe_payout_id="po_untied",
                status=PayoutStatus.PAID,
                amount=1_00,
                currency="gbp",
                automatic=True,
                arrives_on=arrived.date() - timedelta(days=15),
                created_at=arrived - timedelta(days=17),
            )
        )

    found = compare_books(agreed, since=BEGINNING)

    assert found.faults == ["po_untied arrived, and Stripe has not said what is in it: ask Stripe"]
