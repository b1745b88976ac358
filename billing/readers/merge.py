"""Merge readers when an address is proved. Nobody who only typed it keeps a way into the account.

Whoever types somebody else's address at a checkout holds a session of that reader, and perhaps a
checkout still to return from. When the owner proves the address, both are void before anything of
the owner's can be seen through them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit, sign_in, tasks
from billing.db import Base, take_turns
from billing.models import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Customer,
    Donation,
    Entitlement,
    GiftLink,
    Meter,
    OutboxMessage,
    Payment,
    Reader,
    ReaderLook,
    Subscription,
    SubscriptionStatus,
    WebSession,
)
from billing.readers.find import create
from billing.readers.meters import meter_subject, unite

# A checkout that is open stays with whom it was begun: only one may be open for a reader and plan.
_MOVED: Final[tuple[type[Base], ...]] = (
    Customer,
    Subscription,
    Payment,
    Donation,
    OutboxMessage,
    GiftLink,
)


def verify_and_merge(
    session: Session, email: str, *, now: datetime, also: UUID | None = None
) -> Reader:
    """Return the one reader an address belongs to, now that it is proved.

    Every reader who merely typed the address is merged into its owner, and every browser signed in
    as one of them is signed out. The owner's own browsers stay signed in.

    Args:
        session: the door's transaction.
        email: the address that was proved.
        now: this instant.
        also: the reader the proving browser is signed in as; theirs too if they have no proved
            address yet. Pass it only if that browser asked for the proof itself, or a stranger's
            link would carry a reader off to the stranger's account.

    Raises:
        AddressError: the address is none.
    """
    address = sign_in.normalise(email)
    take_turns(session, f"address:{address}")
    claimants = _claimants(session, address, also)
    owner = next((r for r in claimants if r.email_verified_at and r.email == address), None)
    unproved = [r for r in claimants if r.email_verified_at is None]
    if owner is None:
        owner = unproved.pop(0) if unproved else create(session, now=now)
        _shut_out(session, [owner.id], now=now)
        owner.email, owner.email_verified_at = address, now
        session.flush()
    if unproved:
        _merge(session, unproved, into=owner, now=now)
    return owner


def _claimants(session: Session, address: str, also: UUID | None) -> Sequence[Reader]:
    return session.scalars(
        sa.select(Reader)
        .where(sa.or_(Reader.email == address, Reader.id == also), Reader.merged_into.is_(None))
        .order_by(Reader.created_at, Reader.id)
        .with_for_update()
    ).all()


def _merge(session: Session, others: Sequence[Reader], *, into: Reader, now: datetime) -> None:
    ids = [other.id for other in others]
    _shut_out(session, ids, now=now)
    for table in _MOVED:
        _reassign(session, table, ids, into.id)
    still_open = sa.and_(
        Checkout.status == CheckoutStatus.OPEN, Checkout.kind == CheckoutKind.SUBSCRIPTION
    )
    _reassign(session, Checkout, ids, into.id, sa.not_(still_open))
    _bring_rights(session, ids, into.id, now=now)
    _bring_looks(session, ids, into.id)
    for other in others:
        _unite_meters(session, meter_subject(other.id), meter_subject(into.id))
        into.name = into.name or other.name
        other.merged_into = into.id
    session.execute(
        sa.update(Reader).where(Reader.merged_into.in_(ids)).values(merged_into=into.id)
    )
    session.flush()
    _tell_of_two_subscriptions(session, into, now=now)
    for other in others:
        audit.record(
            session,
            actor=f"reader:{into.id}",
            action="reader merged",
            subject=f"reader:{other.id}",
            now=now,
        )


def _bring_rights(session: Session, ids: Sequence[UUID], to: UUID, *, now: datetime) -> None:
    """Begin each right anew under its owner: until now we knew it as somebody else's."""
    theirs = session.scalars(
        sa.select(Entitlement)
        .where(Entitlement.reader_id.in_(ids), Entitlement.superseded_at.is_(None))
        .order_by(Entitlement.recorded_at, Entitlement.id)
    ).all()
    for right in theirs:
        right.superseded_at = now
    session.flush()  # only one row of a source may be current
    session.add_all(
        Entitlement(
            reader_id=to,
            source=right.source,
            source_id=right.source_id,
            reason=right.reason,
            starts_at=right.starts_at,
            ends_at=right.ends_at,
            recorded_at=now,
        )
        for right in theirs
    )


def _bring_looks(session: Session, ids: Sequence[UUID], to: UUID) -> None:
    """Owe the looks that were owed, one for each day: they are all about one person now."""
    theirs = ReaderLook.reader_id.in_([*ids, to])
    first = sa.select(sa.func.min(ReaderLook.id)).where(theirs).group_by(ReaderLook.day)
    session.execute(sa.delete(ReaderLook).where(theirs, ReaderLook.id.not_in(first)))
    _reassign(session, ReaderLook, ids, to)


def _shut_out(session: Session, ids: Sequence[UUID], *, now: datetime) -> None:
    """End every way in that was opened before the proof.

    The checkouts first: a return under way at this moment waits for its row or makes us wait, so
    its session is either never begun or deleted here.
    """
    session.execute(
        sa.update(Checkout)
        .where(Checkout.reader_id.in_(ids), Checkout.signed_in_at.is_(None))
        .values(signed_in_at=now)
    )
    session.execute(sa.delete(WebSession).where(WebSession.reader_id.in_(ids)))


def _reassign(
    session: Session,
    table: type[Base],
    ids: Sequence[UUID],
    to: UUID,
    *where: sa.ColumnElement[bool],
) -> None:
    column = table.__table__.c.reader_id
    session.execute(sa.update(table).where(column.in_(ids), *where).values(reader_id=to))


def _unite_meters(session: Session, ours: str, into: str) -> None:
    """Bring along what was counted; what both have opened is counted once."""
    rows = session.execute(
        sa.select(Meter.window, Meter.articles).where(Meter.subject == ours)
    ).all()
    for window, articles in rows:
        unite(session, window, articles, to=into)
    session.execute(sa.delete(Meter).where(Meter.subject == ours))


def _tell_of_two_subscriptions(session: Session, reader: Reader, *, now: datetime) -> None:
    live = [status for status in SubscriptionStatus if status.live]
    plans = session.execute(
        sa.select(Subscription.plan)
        .where(Subscription.reader_id == reader.id, Subscription.status.in_(live))
        .group_by(Subscription.plan)
        .having(sa.func.count() > 1)
    ).scalars()
    for plan in plans:
        tasks.raise_task(
            session,
            "paying-twice",
            subject=f"reader:{reader.id}:{plan}",
            detail=f"More than one live subscription to {plan}: end one, and refund what it took.",
            now=now,
        )
