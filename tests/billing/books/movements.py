"""Movements of Stripe's balance, and the payments they belong to, as the mirror holds them."""

from datetime import UTC, datetime
from itertools import count

from sqlalchemy.orm import Session

from billing.books.posting import post_balance_transaction
from billing.models import BalanceTransaction, Payment, PaymentPurpose, PaymentStatus

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_numbers = count(1)


def a_payment(
    session: Session,
    purpose: PaymentPurpose = PaymentPurpose.DONATION,
    *,
    amount: int = 25_00,
    fund: str = "appeal-95",
    plan: str = "",
    account: str = "4910",
    payer: str = "A Reader",
    currency: str = "gbp",
    at: datetime = NOON,
) -> Payment:
    """Add one paid payment."""
    number = next(_numbers)
    payment = Payment(
        stripe_payment_intent_id=f"pi_{number}",
        stripe_charge_id=f"ch_{number}",
        purpose=purpose,
        fund=fund,
        plan=plan,
        account_code=account,
        status=PaymentStatus.SUCCEEDED,
        amount=amount,
        currency=currency,
        payer_name=payer,
        method="Visa ending 4242",
        created_at=at,
        paid_at=at,
    )
    session.add(payment)
    session.flush()
    return payment


def a_subscription_payment(session: Session, *, at: datetime = NOON) -> Payment:
    """Add one paid month of the paper."""
    return a_payment(
        session,
        PaymentPurpose.SUBSCRIPTION,
        amount=5_49,
        fund="",
        plan="digital",
        account="4000",
        at=at,
    )


def moved(
    session: Session,
    payment: Payment | None,
    amount: int,
    *,
    fee: int = 0,
    category: str = "charge",
    currency: str = "gbp",
    at: datetime = NOON,
    now: datetime = NOON,
) -> BalanceTransaction:
    """Add one movement of the balance, and post it."""
    number = next(_numbers)
    txn = BalanceTransaction(
        stripe_balance_transaction_id=f"txn_{number}",
        type=category,
        reporting_category=category,
        amount=amount,
        fee=fee,
        net=amount - fee,
        currency=currency,
        source_id=f"src_{number}",
        payment_id=payment.id if payment else None,
        created_at=at,
    )
    session.add(txn)
    session.flush()
    post_balance_transaction(session, txn, payment=payment, now=now)
    return txn
