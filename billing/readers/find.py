"""Make and find readers. No reader is ever found by an address that was merely typed."""

import contextlib
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from billing import sign_in
from billing.errors import AddressError, RefusedError
from billing.models import Customer, Reader, Subscription


def create(session: Session, *, now: datetime, email: str = "", name: str = "") -> Reader:
    """Make a new reader; the address is what somebody typed, and proves nothing.

    Raises:
        AddressError: an address was typed that is none.
    """
    reader = Reader(
        email=sign_in.normalise(email) if email else "", name=name[:200], created_at=now
    )
    session.add(reader)
    session.flush()
    return reader


def note_typed(session: Session, reader_id: UUID, *, email: str, name: str = "") -> None:
    """Keep what a reader typed at Stripe, where we know nothing yet. It proves nothing.

    What is no address is dropped: a payment must not fail for a typing error. One statement, so
    that an address proved at this very moment is never replaced by one that was merely typed.
    """
    unknown = sa.and_(
        Reader.id == reader_id,
        Reader.email == "",
        Reader.email_verified_at.is_(None),
        Reader.merged_into.is_(None),
    )
    values: dict[str, sa.ColumnElement[str]] = {
        "name": sa.case((Reader.name == "", name[:200]), else_=Reader.name)
    }
    with contextlib.suppress(AddressError):
        values["email"] = sa.literal(sign_in.normalise(email))
    session.execute(sa.update(Reader).where(unknown).values(values))


def named(session: Session, name: str) -> Reader:
    """Return the reader the staff mean by an id of ours or Stripe's, or by a proved address.

    Raises:
        RefusedError: nobody is known by it.
    """
    proved = sa.and_(Reader.email == name.lower(), Reader.email_verified_at.is_not(None))
    by_customer = sa.select(Customer.reader_id).where(Customer.stripe_customer_id == name)
    by_subscription = sa.select(Subscription.reader_id).where(
        Subscription.stripe_subscription_id == name
    )
    meant = sa.or_(proved, Reader.id.in_(by_customer), Reader.id.in_(by_subscription))
    with contextlib.suppress(ValueError):
        meant = Reader.id == UUID(name)
    asked = session.scalar(sa.select(Reader.id).where(meant).order_by(Reader.merged_into.is_(None)))
    reader = find(session, asked) if asked else None
    if reader is None:
        raise RefusedError(
            f"nobody is known as {name}; give a proved e-mail address, our id of the reader, or"
            " Stripe's id of the customer or the subscription"
        )
    return reader


def find(session: Session, reader_id: UUID) -> Reader | None:
    """Return a reader by id; one who was merged is found as who they are now.

    Stripe keeps the ids we gave it, so an id that was merged away may come back for years.
    """
    asked = aliased(Reader)
    return session.scalar(
        sa.select(Reader)
        .join(asked, Reader.id == sa.func.coalesce(asked.merged_into, asked.id))
        .where(asked.id == reader_id)
    )


def hold(session: Session, reader_id: UUID) -> Reader | None:
    """Return who a reader is now, and keep them who they are until this transaction ends.

    Whoever writes about a reader holds them first, before any other row that is theirs: merging
    does the same, so neither waits for the other in a ring, and nothing is written about somebody
    who was merged away a moment before.
    """
    asked: UUID | None = reader_id
    held: Reader | None = None
    while asked is not None:
        held = session.scalar(
            sa.select(Reader)
            .where(Reader.id == asked)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        asked = held.merged_into if held is not None else None
    return held


def address_of(reader: Reader) -> str:
    """Return where to write to a reader: the proved address, else the typed one, else ''."""
    return reader.email
