"""What a payment is for, and which account it is booked to, however little Stripe says at first."""

import sqlalchemy as sa

from billing import checkout
from billing.books.ledger import account_balance
from billing.context import Context
from billing.models import (
    BalanceTransaction,
    OutboxMessage,
    Payment,
    PaymentPurpose,
    Refund,
    RefundStatus,
    Task,
)
from billing.money import Money
from billing.reconciliation import poll_balance_transactions, poll_unfinished
from tests.support.stripe import LocalStripe

GIFTS = "4910"
SUBSCRIPTIONS = "4000"
UNALLOCATED = "2130"


def give(context: Context, stripe: LocalStripe) -> str:
    """Give £25, and return the payment intent."""
    started = checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="192.0.2.1",
    )
    stripe.pay(started.url)
    theirs = stripe.client.v1.checkout.sessions.retrieve(started.url.rsplit("/", 1)[1])
    return str(theirs.payment_intent)


def tasks(context: Context) -> list[str]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Task.kind)))


def balances(context: Context, *codes: str) -> list[int]:
    with context.db.reading() as session:
        return [account_balance(session, code) for code in codes]


def test_a_payment_seen_before_its_invoice_waits_and_is_booked_as_what_it_turns_out_to_be(
    context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    intent = stripe.client.v1.payment_intents.list().data[0].id
    invoice = stripe.client.v1.invoices.list().data[0].id
    link = stripe.client.v1.invoice_payments.list({"invoice": str(invoice)}).data[0].id
    stripe.rewrite(link, payment__payment_intent="pi_of_nobody")

    checkout.look_at_payment(context, intent)
    poll_balance_transactions(context)

    with context.db.reading() as session:
        assert session.scalars(sa.select(Payment.purpose)).all() == [PaymentPurpose.FOREIGN]
        assert session.scalars(sa.select(BalanceTransaction)).all() == []
    assert tasks(context) == []

    stripe.rewrite(link, payment__payment_intent=intent)
    checkout.settle(context, started.url.rsplit("/", 1)[1])

    assert balances(context, SUBSCRIPTIONS, UNALLOCATED) == [-5_49, 0]
    assert tasks(context) == []
    with context.db.reading() as session:
        payment = session.scalars(sa.select(Payment)).one()
        assert (payment.purpose, payment.plan) == (PaymentPurpose.SUBSCRIPTION, "digital")
        assert payment.reader_id is not None
        assert session.scalars(sa.select(OutboxMessage.kind)).all() == ["subscription_started"]


def test_what_an_earlier_charge_of_a_payment_moved_is_booked_where_the_payment_is(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.rewrite(intent, latest_charge=None, status="requires_payment_method")

    assert poll_balance_transactions(context) == 1

    assert balances(context, GIFTS, UNALLOCATED) == [-25_00, 0]
    assert tasks(context) == []


def test_a_refund_that_did_not_arrive_is_a_question_for_staff(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    refund = stripe.client.v1.refunds.create({"payment_intent": intent, "amount": 10_00})
    stripe.rewrite(refund.id, status="failed")

    for _ in range(2):
        checkout.look_at_payment(context, intent)

    assert tasks(context) == ["refund-failed"]
    with context.db.reading() as session:
        assert session.scalars(sa.select(Payment.refunded_amount)).all() == [0]
        assert "refund_made" not in session.scalars(sa.select(OutboxMessage.kind)).all()


def test_a_refund_in_a_state_we_do_not_know_is_not_certain(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    refund = stripe.client.v1.refunds.create({"payment_intent": intent, "amount": 10_00})
    stripe.rewrite(refund.id, status="sleeping")

    checkout.look_at_payment(context, intent)

    with context.db.reading() as session:
        assert session.scalars(sa.select(Refund.status)).all() == [RefundStatus.PENDING]
        assert "refund_made" not in session.scalars(sa.select(OutboxMessage.kind)).all()


def test_money_nobody_can_place_is_unallocated_after_a_while(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.rewrite(intent, metadata={})

    poll_balance_transactions(context)
    assert balances(context, UNALLOCATED) == [0]

    stripe.advance(seconds=601)
    poll_unfinished(context)
    assert balances(context, UNALLOCATED) == [-25_00]
    assert tasks(context) == ["unallocated-receipt"]
