"""Look at everything Stripe has of one reader: asked for by the wall before it refuses."""

from typing import Final
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import queue
from billing.context import Context
from billing.models import Checkout, Customer, Feed, ReaderLook, Subscription
from billing.queue.owed import LEASE
from billing.reconciliation.refresh import refresh
from billing.reconciliation.subject import Subject, SubjectKind
from billing.stripe_gateway import walk
from billing.stripe_gateway.client import TIMEOUT, patience

# Whoever opens payment pages by the hundred must not keep the looks of others waiting.
_MOST_PAGES: Final = 20
_PATIENCE: Final = LEASE.total_seconds() - 2 * TIMEOUT  # seconds; then Stripe is asked no more

_log = structlog.get_logger(__name__)


def look_at_due_readers(context: Context, *, most: int) -> int:
    """Look at the readers who were let in for a minute meanwhile; return how many were due."""
    with context.db.unit_of_work() as session:
        rows = queue.claim_due(session, ReaderLook, now=context.clock.now(), most=most)
    for row in rows:
        if queue.is_deadly(row):
            _set_aside(context, row)
            continue
        try:
            with patience(_PATIENCE):
                look_at_reader(context, row.reader_id, feed=Feed.LOOK)
        except Exception as error:  # noqa: BLE001  # whatever it is, the look stays owed
            _give_back(context, row, error)
        else:
            with context.db.unit_of_work() as session:
                queue.finish(session, row)
    return len(rows)


def look_at_reader(context: Context, reader_id: UUID, *, feed: Feed) -> None:
    """Look again at every subscription and checkout a reader has at Stripe. Repeats safely.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """
    with context.db.reading() as session:
        customers = _customers(session, reader_id)
        known = _known(session, reader_id)
    theirs = {
        Subject(SubjectKind.SUBSCRIPTION, each.id)
        for customer in customers
        for each in walk.subscriptions_of(context.gateway, customer)
    }
    for subject in sorted(known | theirs, key=str):
        refresh(context, subject, feed=feed)


def _customers(session: Session, reader_id: UUID) -> list[str]:
    theirs = sa.select(Customer.stripe_customer_id).where(
        Customer.reader_id == reader_id, Customer.deleted_at.is_(None)
    )
    return list(session.scalars(theirs))


def _known(session: Session, reader_id: UUID) -> set[Subject]:
    """Return what we know of a reader that may have moved on at Stripe."""
    checkouts = (
        sa.select(Checkout.stripe_session_id)
        .where(Checkout.reader_id == reader_id, Checkout.settled_at.is_(None))
        .order_by(Checkout.created_at.desc())
        .limit(_MOST_PAGES)
    )
    subscriptions = sa.select(Subscription.stripe_subscription_id).where(
        Subscription.reader_id == reader_id, Subscription.ended_at.is_(None)
    )
    found = {Subject(SubjectKind.CHECKOUT, each) for each in session.scalars(checkouts) if each}
    return found | {Subject(SubjectKind.SUBSCRIPTION, s) for s in session.scalars(subscriptions)}


def _set_aside(context: Context, row: ReaderLook) -> None:
    """Park a look that ended one worker after another; tomorrow there is another."""
    _log.error("reader's look set aside", look=row.id, lost_leases=row.lost_leases)
    with context.db.unit_of_work() as session:
        queue.park(session, row, error=f"{row.lost_leases} workers died with it in hand")


def _give_back(context: Context, row: ReaderLook, error: Exception) -> None:
    """Owe it still; tomorrow there is another look, and every night a sweep."""
    _log.warning("reader not looked at", look=row.id, error=type(error).__name__)
    told = f"{type(error).__name__}: {error}"
    with context.db.unit_of_work() as session:
        queue.retry(session, row, error=told, now=context.clock.now())
