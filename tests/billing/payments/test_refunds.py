"""Refunds: in parts, slowly, called back, and coming back after they had succeeded."""

from collections.abc import Sequence

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import checkout
from billing.books.opening import open_books
from billing.context import Context
from billing.models import BalanceTransaction, OutboxMessage, Payment, Refund, RefundStatus
from billing.money import Money
from billing.stripe_gateway import read
from tests.billing.payments.gifts import (
    appeal_total,
    balances,
    expect_every_movement_once,
    give,
    tasks,
)
from tests.support.stripe import LocalStripe

GIFTS = "4910"


def refund(stripe: LocalStripe, intent: str, amount: int) -> str:
    made = stripe.client.v1.refunds.create({"payment_intent": intent, "amount": amount})
    return str(made.id)


def payment(context: Context, intent: str) -> Payment:
    with context.db.reading() as session:
        found = sa.select(Payment).where(Payment.stripe_payment_intent_id == intent)
        return session.scalars(found).one()


def refunds(context: Context) -> list[RefundStatus]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Refund.status)))


def mails(context: Context) -> list[str]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(OutboxMessage.kind)))


def test_a_refund_from_before_the_books_began_is_told_to_nobody_when_the_rest_goes_back(
    context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_donation(
        context, appeal="95th-anniversary", amount=Money(25_00), reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    intent = str(stripe.client.v1.payment_intents.list().data[0].id)
    refund(stripe, intent, 5_00)
    stripe.advance(days=1)
    with context.db.unit_of_work() as session:
        now = context.clock.now()
        open_books(session, read.balance(context.gateway), at=now, now=now)
    stripe.advance(days=1)
    rest = refund(stripe, intent, 20_00)

    checkout.look_at_payment(context, intent)

    assert payment(context, intent).refunded_amount == 25_00
    with context.db.reading() as session:
        facts = session.scalars(sa.select(OutboxMessage.fact)).all()
    assert facts == [f"refund:{rest}"]


def kept_by_the_fund(context: Context, intent: str) -> int:
    """Return what the ledger's movements of one payment have left to its fund."""
    with context.db.reading() as session:
        total = (
            sa.select(sa.func.coalesce(sa.func.sum(BalanceTransaction.amount), 0))
            .join(Payment, Payment.id == BalanceTransaction.payment_id)
            .where(Payment.stripe_payment_intent_id == intent)
        )
        return int(session.scalar(total) or 0)


@given(
    parts=st.lists(
        st.tuples(st.integers(min_value=1, max_value=20_00), st.booleans()), min_size=1, max_size=4
    ),
    rest=st.integers(min_value=2_00, max_value=5_00),
)
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
def test_however_a_gift_is_given_back_in_parts_the_ledger_is_stripes_total_at_each_step(
    context: Context, stripe: LocalStripe, parts: Sequence[tuple[int, bool]], rest: int
) -> None:
    before = appeal_total(context)
    gift = sum(amount for amount, _ in parts) + rest
    intent = give(context, stripe, gift)
    gone = 0
    for amount, comes_back in parts:
        made = refund(stripe, intent, amount)
        checkout.look_at_payment(context, intent)
        assert payment(context, intent).refunded_amount == gone + amount
        if comes_back:
            stripe.control(f"refunds/{made}/fail")
            checkout.look_at_payment(context, intent)
        else:
            gone += amount

        charge = stripe.client.v1.charges.list({"payment_intent": intent}).data[0]
        assert charge.amount_refunded == gone == payment(context, intent).refunded_amount
        assert appeal_total(context) - before == gift - gone == kept_by_the_fund(context, intent)


def test_a_refund_that_comes_back_later_is_booked_back_and_somebody_is_asked(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    made = refund(stripe, intent, 10_00)
    checkout.look_at_payment(context, intent)
    assert appeal_total(context) == 15_00

    stripe.advance(days=5)
    stripe.control(f"refunds/{made}/fail", reason="lost_or_stolen_card")
    for _ in range(2):
        checkout.look_at_payment(context, intent)

    assert appeal_total(context) == 25_00
    assert payment(context, intent).refunded_amount == 0
    assert tasks(context) == ["refund-failed"]
    expect_every_movement_once(context, stripe)


def test_a_refund_on_its_way_for_days_is_booked_as_it_leaves_and_told_when_it_arrives(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.control("settings", slow_refunds=1)
    refund(stripe, intent, 10_00)
    checkout.look_at_payment(context, intent)
    assert (refunds(context), balances(context, GIFTS)) == ([RefundStatus.PENDING], [-15_00])
    assert "refund_made" not in mails(context)

    stripe.advance(days=5)
    checkout.look_at_payment(context, intent)

    assert refunds(context) == [RefundStatus.SUCCEEDED]
    assert mails(context).count("refund_made") == 1
    assert balances(context, GIFTS) == [-15_00]


def test_a_refund_called_back_on_its_way_leaves_the_fund_whole_and_nobody_is_written_to(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.control("settings", slow_refunds=1)
    made = refund(stripe, intent, 10_00)
    checkout.look_at_payment(context, intent)

    stripe.control(f"refunds/{made}/cancel")
    checkout.look_at_payment(context, intent)

    assert refunds(context) == [RefundStatus.CANCELED]
    assert (appeal_total(context), payment(context, intent).refunded_amount) == (25_00, 0)
    assert (tasks(context), "refund_made" in mails(context)) == ([], False)
    expect_every_movement_once(context, stripe)
