"""Movements of our balance at Stripe: each is kept once, and posted to the books once."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from billing.books.opening import opened_at
from billing.books.posting import post_balance_transaction
from billing.db import insert_ignore
from billing.models import BalanceTransaction, Payment, PaymentPurpose, Refund
from billing.payments.purpose import UNALLOCATED
from billing.stripe_gateway.types import StripeBalanceTransaction

# Checkout makes the subscription and its invoice only after the payment: for some seconds nothing
# at Stripe says whose it is, and what is posted is posted for ever.
# Source: https://docs.stripe.com/changelog/basil/2025-03-31/checkout-legacy-subscription-upgrade
_UNPLACED_FOR: Final = timedelta(minutes=10)


def record_movement(
    session: Session,
    theirs: StripeBalanceTransaction,
    *,
    payment: Payment | None = None,
    refund: Refund | None = None,
    now: datetime,
) -> bool:
    """Keep one movement and post it. Repeats safely: Stripe never changes one.

    Returns:
        Whether it is in the books now; False while its payment is new and nobody can place it.
    """
    opened = opened_at(session)
    if opened is not None and theirs.created <= opened:
        return True  # it is in the opening balance
    if payment is not None and may_yet_be_placed(payment, now):
        return False
    session.execute(
        insert_ignore(session, BalanceTransaction).values(
            stripe_balance_transaction_id=theirs.id,
            type=theirs.type,
            reporting_category=theirs.reporting_category,
            amount=theirs.amount,
            fee=theirs.fee,
            net=theirs.net,
            currency=theirs.currency,
            source_id=theirs.source_id,
            payment_id=payment.id if payment else None,
            refund_id=refund.id if refund else None,
            created_at=theirs.created,
            available_on=theirs.available_on,
        )
    )
    ours = session.get_one(BalanceTransaction, theirs.id)
    post_balance_transaction(session, ours, payment=payment, now=now)
    return True


def may_yet_be_placed(payment: Payment, now: datetime) -> bool:
    """Return whether a payment is so new that Stripe may not have said yet what it is for."""
    unplaced = payment.purpose is PaymentPurpose.FOREIGN and payment.account_code == UNALLOCATED
    return unplaced and now - payment.created_at < _UNPLACED_FOR
