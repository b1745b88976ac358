"""Movements of our balance at Stripe: each is kept once, and posted to the books once."""

from datetime import datetime

from sqlalchemy.orm import Session

from billing.books.posting import post_balance_transaction
from billing.db import insert_ignore
from billing.models import BalanceTransaction, Payment, Refund
from billing.stripe_gateway.types import StripeBalanceTransaction


def record_movement(
    session: Session,
    theirs: StripeBalanceTransaction,
    *,
    payment: Payment | None = None,
    refund: Refund | None = None,
    now: datetime,
) -> None:
    """Keep one movement and post it. Repeats safely: Stripe never changes one."""
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
