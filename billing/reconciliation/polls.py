"""What no event tells: movements of Stripe's balance, and checkouts nobody came back from.

Stripe sends no event for a balance transaction, and may send none at all for a while; so the books
are fed by walking the list itself, with an overlap, and unfinished things are looked at again.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from billing.checkout import look_at_payment, settle
from billing.context import Context
from billing.errors import BillingError
from billing.models import (
    BalanceTransaction,
    Checkout,
    CheckoutStatus,
    Cursor,
    Payment,
    PaymentStatus,
)
from billing.payments import record_movement
from billing.stripe_gateway import read
from billing.stripe_gateway.types import StripeBalanceTransaction

_CURSOR: Final = "balance_transactions"
_OVERLAP: Final = timedelta(minutes=30)
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
_PATIENCE: Final = timedelta(minutes=10)  # before an open checkout is looked at unasked
_MOST: Final = 100


def poll_balance_transactions(context: Context) -> int:
    """Post every movement of Stripe's balance we have not seen. Repeats safely.

    Returns:
        How many were new.

    Raises:
        StripeUnavailableError: try again later; the cursor has not moved.
    """
    with context.db.reading() as session:
        cursor = session.get(Cursor, _CURSOR)
        since = cursor.at - _OVERLAP if cursor else _BEGINNING
    began = context.clock.now()
    movements = read.balance_transactions(context.gateway, since=since)
    with context.db.reading() as session:
        known = set(
            session.scalars(
                sa.select(BalanceTransaction.stripe_balance_transaction_id).where(
                    BalanceTransaction.created_at >= since
                )
            )
        )
    new = [movement for movement in movements if movement.id not in known]
    for movement in new:
        _take_in(context, movement)
    with context.db.unit_of_work() as session:
        session.merge(Cursor(name=_CURSOR, at=began))
    return len(new)


def _take_in(context: Context, movement: StripeBalanceTransaction) -> None:
    """Let the payment bring its own movement; whatever belongs to none is posted by itself."""
    if movement.payment_intent_id:
        look_at_payment(context, movement.payment_intent_id)
    with context.db.unit_of_work() as session:
        if session.get(BalanceTransaction, movement.id) is None:
            record_movement(session, movement, now=context.clock.now())


def poll_unfinished(context: Context) -> int:
    """Look again at open checkouts, and at payments not yet certain or not yet in the books.

    Returns:
        How many could not be looked at; they are tried again next time.
    """
    now = context.clock.now()
    with context.db.reading() as session:
        checkouts = session.scalars(
            sa.select(Checkout.stripe_session_id)
            .where(
                Checkout.status.in_((CheckoutStatus.OPEN, CheckoutStatus.AWAITING_BANK)),
                Checkout.stripe_session_id.is_not(None),
                Checkout.created_at < now - _PATIENCE,
            )
            .order_by(Checkout.created_at.desc())
            .limit(_MOST)
        ).all()
        payments = session.scalars(
            sa.select(Payment.stripe_payment_intent_id)
            .where(
                sa.or_(
                    Payment.status == PaymentStatus.PENDING,
                    sa.and_(
                        Payment.status == PaymentStatus.SUCCEEDED,
                        Payment.balance_transaction_id == "",
                    ),
                )
            )
            .order_by(Payment.created_at.desc())
            .limit(_MOST)
        ).all()
    failures = 0
    for stripe_session_id in checkouts:
        failures += not _tried(context, settle, str(stripe_session_id))
    for payment_intent_id in payments:
        failures += not _tried(context, look_at_payment, payment_intent_id)
    return failures


def _tried(context: Context, verb: Callable[[Context, str], None], stripe_id: str) -> bool:
    """Look at one; its failure must not keep the others waiting."""
    try:
        verb(context, stripe_id)
    except BillingError:
        return False
    return True
