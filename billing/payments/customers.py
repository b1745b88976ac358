"""Which reader a Stripe object belongs to: by our own marks on it, never by an e-mail address.

Metadata can be written only with our secret key, so what it says of the reader is our own word.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing import readers
from billing.db import insert_ignore
from billing.models import Checkout, Customer


def reader_of(session: Session, customer_id: str, metadata: Mapping[str, str]) -> UUID | None:
    """Return the reader an object of Stripe's belongs to, or None for a stranger's or a guest's.

    The reader is held from here on: nobody merges them before what follows is committed.
    """
    customer = session.get(Customer, customer_id) if customer_id else None
    named = customer.reader_id if customer else as_id(metadata.get("reader", ""))
    reader = readers.hold(session, named) if named else None
    return reader.id if reader else None


def checkout_of(session: Session, metadata: Mapping[str, str]) -> UUID | None:
    """Return our checkout an object of Stripe's came from."""
    marked = as_id(metadata.get("checkout", ""))
    checkout = session.get(Checkout, marked) if marked else None
    return checkout.id if checkout else None


def link_customer(session: Session, customer_id: str, reader_id: UUID, *, now: datetime) -> None:
    """Remember whose Stripe customer this is; the first link stands."""
    session.execute(
        insert_ignore(session, Customer).values(
            stripe_customer_id=customer_id, reader_id=reader_id, created_at=now
        )
    )


def as_id(written: str) -> UUID | None:
    """Read one of our ids back from metadata; None where it is not one."""
    try:
        return UUID(written)
    except ValueError:
        return None
