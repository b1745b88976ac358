"""The look before a refusal: a paying reader is never turned away on old knowledge.

Whoever Stripe knows as a customer of ours, and who is about to be refused, reads on for a minute
while a worker looks at Stripe; once a day, so that nobody reads on for ever by asking.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.access.entitlements import Term, grant
from billing.clock import accounting_day
from billing.db import insert_ignore
from billing.models import Checkout, Customer, EntitlementSource, OwedState, ReaderLook

LASTS: Final = timedelta(seconds=60)
# A checkout that came to nothing is forgotten by Stripe after a day; its money may take a week.
_RECENT: Final = timedelta(days=10)


def may_be_owed(session: Session, reader_id: UUID, *, now: datetime) -> bool:
    """Tell whether a reader about to be refused may have paid, and nobody looked today."""
    looked = sa.select(ReaderLook.id).where(
        ReaderLook.reader_id == reader_id, ReaderLook.day == accounting_day(now)
    )
    customer = sa.select(Customer.stripe_customer_id).where(
        Customer.reader_id == reader_id, Customer.deleted_at.is_(None)
    )
    checkout = sa.select(Checkout.id).where(
        Checkout.reader_id == reader_id,
        Checkout.stripe_session_id.is_not(None),
        Checkout.created_at > now - _RECENT,
    )
    known = sa.or_(customer.exists(), checkout.exists())
    return bool(session.scalar(sa.select(sa.and_(known, ~looked.exists()))))


def let_in_and_look(session: Session, reader_id: UUID, *, now: datetime) -> bool:
    """Grant a minute, and owe a look. Of several at one moment one does, and all may read.

    Returns:
        Whether this call granted it.
    """
    owed = session.scalar(
        insert_ignore(session, ReaderLook)
        .values(
            reader_id=reader_id,
            day=accounting_day(now),
            asked_at=now,
            state=OwedState.READY,
            run_at=now,
            attempts=0,
            lost_leases=0,
            last_error="",
        )
        .returning(ReaderLook.id)
    )
    if owed is None:
        return False
    grant(
        session,
        reader_id=reader_id,
        source=EntitlementSource.PROVISIONAL,
        source_id=str(reader_id),
        term=Term(now, now + LASTS, "A look at Stripe before refusing"),
        now=now,
    )
    return True
