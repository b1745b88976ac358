"""A new database on an account that is not new: its history must not be told to readers as news.

Neither its lists nor its events are walked until somebody runs `billing adopt`.
"""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import tasks
from billing.books.opening import opened_at
from billing.context import Context
from billing.models import Checkout, Cursor, Customer
from billing.stripe_gateway import walk, whose

TASK: Final = "adopt-first"
_NEW: Final = timedelta(days=7)  # what is younger may be our own beginning


def is_strange(context: Context) -> bool:
    """Tell whether we know nobody yet, and Stripe does; the staff are asked to adopt the account.

    Raises:
        StripeUnavailableError: Stripe did not answer, or our key is another account's.
    """
    whose.refuse_another(context.db, context.gateway)
    with context.db.reading() as session:
        if _knows_anything(session):
            return False
    now = context.clock.now()
    if not walk.anything_before(context.gateway, now - _NEW):
        return False
    with context.db.unit_of_work() as session:
        tasks.raise_task(
            session,
            TASK,
            subject="stripe",
            detail="This database is new, and the Stripe account is not. Its history is not walked,"
            " so that nobody is mailed for what is long past: run `billing adopt`.",
            now=now,
        )
    return True


def _knows_anything(session: Session) -> bool:
    tables = (Checkout.id, Customer.stripe_customer_id)
    walked = sa.select(Cursor.name).where(Cursor.name == "balance_transactions")
    return opened_at(session) is not None or any(
        session.scalar(asked.limit(1)) is not None
        for asked in (*(sa.select(column) for column in tables), walked)
    )
