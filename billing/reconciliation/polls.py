"""What no event tells: movements of Stripe's balance, and checkouts nobody came back from.

Stripe sends no event for a balance transaction, and may send none at all for a while; so the books
are fed by walking the list itself, with an overlap, and unfinished things are looked at again.
"""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing import tasks
from billing.books.opening import opened_at
from billing.checkout import look_at_payment, settle
from billing.context import Context
from billing.errors import PASSING
from billing.models import (
    BalanceTransaction,
    Checkout,
    CheckoutStatus,
    Cursor,
    Payment,
    PaymentStatus,
)
from billing.payments import record_movement
from billing.reconciliation.strange import is_strange
from billing.stripe_gateway import read
from billing.stripe_gateway.types import StripeBalanceTransaction

_CURSOR: Final = "balance_transactions"
_OVERLAP: Final = timedelta(minutes=30)  # Stripe's list may be a little behind itself
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
_PATIENCE: Final = timedelta(minutes=10)  # before an open checkout is looked at unasked
_NEWEST: Final = 50  # looked at each time: somebody may be waiting for them
_OTHERS: Final = 50  # drawn by lot from the rest, so that none waits behind the others for ever

_ENOUGH: Final = 5  # failures in a row: it is not this or that object, and Stripe is slow to fail

_log = structlog.get_logger(__name__)


def poll_balance_transactions(context: Context) -> int:
    """Post every movement of Stripe's balance we have not seen. Repeats safely.

    The cursor is the time of the last movement seen, in Stripe's time: ours may be wrong. It waits
    at the first one that could not be taken in.

    Returns:
        How many were taken in.

    Raises:
        StripeUnavailableError: try again later; the cursor has not moved.
    """
    if is_strange(context):
        return 0
    with context.db.reading() as session:
        cursor, opened = session.get(Cursor, _CURSOR), opened_at(session)
        since = cursor.at - _OVERLAP if cursor else _BEGINNING
        if opened is not None:  # what moved before is in the opening balance
            since = max(since, opened + timedelta(seconds=1))
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
    missed = _missed(context, {m.id: partial(take_in, context, m) for m in new})
    if movements:
        waiting = [movement.created for movement in new if movement.id in missed]
        reached = min(waiting, default=movements[-1].created)
        with context.db.unit_of_work() as session:
            session.merge(Cursor(name=_CURSOR, at=reached))
    return len(new) - len(missed)


def take_in(context: Context, movement: StripeBalanceTransaction) -> None:
    """Let the payment bring its own movement; what it does not bring is posted by itself.

    A payment brings the movements of its last charge and of its refunds. A debit that failed after
    it was taken, or an earlier charge, is still that payment's, and posted against its account.
    """
    intent = movement.payment_intent_id
    if intent:
        look_at_payment(context, intent)
    with context.db.unit_of_work() as session:
        if session.get(BalanceTransaction, movement.id) is None:
            known = sa.select(Payment).where(Payment.stripe_payment_intent_id == intent)
            payment = session.scalar(known) if intent else None
            record_movement(session, movement, payment=payment, now=context.clock.now())


def poll_unfinished(context: Context) -> int:
    """Look again at open checkouts, and at payments not yet certain or not yet in the books.

    Returns:
        How many could not be looked at, or were left; they are tried again next time.
    """
    now = context.clock.now()
    with context.db.reading() as session:
        checkouts = _some(
            session,
            Checkout.stripe_session_id,
            Checkout.created_at,
            Checkout.status.in_((CheckoutStatus.OPEN, CheckoutStatus.AWAITING_BANK)),
            Checkout.stripe_session_id.is_not(None),
            Checkout.created_at < now - _PATIENCE,
        )
        unbooked = sa.and_(
            Payment.status == PaymentStatus.SUCCEEDED, Payment.balance_transaction_id == ""
        )
        payments = _some(
            session,
            Payment.stripe_payment_intent_id,
            Payment.created_at,
            sa.or_(Payment.status == PaymentStatus.PENDING, unbooked),
        )
    settles = {each: partial(settle, context, each) for each in checkouts}
    looks = {each: partial(look_at_payment, context, each) for each in payments}
    return len(_missed(context, {**settles, **looks}))


def _missed(context: Context, looks: Mapping[str, Callable[[], None]]) -> set[str]:
    """Look at one after the other, in no order that could favour any; return whose look failed.

    Where nothing works any more the rest is left, or an hour of Stripe's would be hours of ours.
    """
    missed = set(looks)
    failures = 0
    for stripe_id in random.sample(sorted(looks), len(looks)):
        if _tried(context, stripe_id, looks[stripe_id]):
            missed.discard(stripe_id)
            failures = 0
        else:
            failures += 1
        if failures == _ENOUGH:
            break
    return missed


def _some(
    session: Session,
    stripe_id: InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
    created_at: InstrumentedAttribute[datetime],
    *unfinished: sa.ColumnElement[bool],
) -> list[str]:
    """Return the newest of what is unfinished, and as many again of the older by lot."""
    found = sa.select(stripe_id).where(*unfinished)
    newest = session.scalars(found.order_by(created_at.desc()).limit(_NEWEST)).all()
    others = found.where(stripe_id.not_in(newest)).order_by(sa.func.random()).limit(_OTHERS)
    return [str(each) for each in (*newest, *session.scalars(others))]


def _tried(context: Context, stripe_id: str, look: Callable[[], None]) -> bool:
    """Look at one; its failure, whatever it is, must not keep the others waiting."""
    try:
        look()
    except PASSING:
        return False
    except Exception as error:  # noqa: BLE001  # tried again by the next poll
        _tell_staff(context, stripe_id, error)
        return False
    return True


def _tell_staff(context: Context, stripe_id: str, error: Exception) -> None:
    _log.error("poll failed", object_id=stripe_id, error=type(error).__name__)
    with context.db.unit_of_work() as session:
        tasks.raise_task(
            session,
            "poll-failed",
            subject=stripe_id,
            detail=f"What Stripe says of {stripe_id} could not be taken in"
            f" ({type(error).__name__}); it is tried again at every poll.",
            now=context.clock.now(),
        )
