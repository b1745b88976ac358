"""Rights that staff give without a payment through Stripe: comps, colleagues, readers in print.

A right may be dated back, and says so: when we learned of it is always now. Ending one keeps that
it held until then.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit, readers
from billing.access.break_glass import LONGEST_REASON
from billing.access.entitlements import Term, grant, revoke
from billing.clock import accounting_day, start_of_day
from billing.errors import RefusedError
from billing.models import AuditRecord, Entitlement, EntitlementSource

GIVEN: Final = (EntitlementSource.COMP, EntitlementSource.STAFF, EntitlementSource.OFFLINE)
_ACTS: Final = ("access given", "access ended")


def give(
    session: Session,
    reader_id: UUID,
    *,
    source: EntitlementSource,
    until: date | None,
    reason: str,
    actor: str,
    now: datetime,
    since: date | None = None,
    press: UUID | None = None,
) -> None:
    """Give a reader a right to read; by one press of a button, once.

    Args:
        session: the door's transaction.
        reader_id: whose it is; one who was merged is found as who they are now.
        source: one of `GIVEN`.
        until: the last London day it holds; None where nothing limits it.
        reason: why, for whoever asks later.
        actor: who gives it.
        now: this instant.
        since: the first London day it holds; None for from now on.
        press: drawn with the button.

    Raises:
        RefusedError: the days or the reason will not do, or nobody has this id; the message says
            what to do.
    """
    term = Term(
        start_of_day(since) if since else now,
        start_of_day(until + timedelta(days=1)) if until else None,
        reason.strip(),
    )
    _check(source, term, now)
    reader = readers.hold(session, reader_id)
    if reader is None:
        raise RefusedError("Nobody has this id.")
    name = str(press or uuid4())
    if session.scalar(sa.select(Entitlement.id).where(Entitlement.source_id == name).limit(1)):
        return
    grant(session, reader_id=reader.id, source=source, source_id=name, term=term, now=now)
    audit.record(
        session,
        actor=actor,
        action="access given",
        subject=f"reader:{reader.id}",
        now=now,
        right=name,
        source=source,
        since=str(since or accounting_day(now)),
        until=str(until) if until else "",
        reason=term.reason,
    )


def _check(source: EntitlementSource, term: Term, now: datetime) -> None:
    if source not in GIVEN:
        raise RefusedError("Staff give no access of this kind.")
    if not 1 <= len(term.reason) <= LONGEST_REASON:
        raise RefusedError(f"Say why, in at most {LONGEST_REASON} letters.")
    if term.ends_at is not None and term.ends_at <= term.starts_at:
        raise RefusedError("The last day is before the first.")
    if term.ends_at is not None and term.ends_at <= now:
        raise RefusedError("The last day is over already.")


def end(
    session: Session, reader_id: UUID, entitlement_id: UUID, *, actor: str, now: datetime
) -> None:
    """End a right that staff gave a reader. Ending it twice changes nothing.

    The row may be one that was replaced since: what stands in its place is ended.

    Raises:
        RefusedError: they have no right of this id that staff gave.
    """
    row = session.get(Entitlement, entitlement_id)
    if row is None or row.source not in GIVEN:
        raise RefusedError("No right that staff gave has this id.")
    holder = readers.hold(session, row.reader_id)  # first of all: a merge moves the right
    if holder is None or holder.id != reader_id:
        raise RefusedError("This reader has no such right.")
    current = session.scalar(
        sa.select(Entitlement).where(
            Entitlement.source == row.source,
            Entitlement.source_id == row.source_id,
            Entitlement.superseded_at.is_(None),
            sa.or_(Entitlement.ends_at.is_(None), Entitlement.ends_at > now),
        )
    )
    if current is None:
        return
    if current.starts_at < now:
        term = Term(current.starts_at, now, current.reason)
        grant(
            session,
            reader_id=current.reader_id,
            source=current.source,
            source_id=current.source_id,
            term=term,
            now=now,
        )
    else:
        revoke(session, source=current.source, source_id=current.source_id, now=now)
    audit.record(
        session,
        actor=actor,
        action="access ended",
        subject=f"reader:{current.reader_id}",
        now=now,
        right=current.source_id,
        source=current.source,
        reason=current.reason,
    )


def acts(session: Session, reader_ids: Sequence[UUID]) -> Sequence[AuditRecord]:
    """Return who gave and ended rights of these readers, the newest first."""
    subjects = [f"reader:{reader_id}" for reader_id in reader_ids]
    return session.scalars(
        sa.select(AuditRecord)
        .where(AuditRecord.subject.in_(subjects), AuditRecord.action.in_(_ACTS))
        .order_by(AuditRecord.id.desc())
    ).all()
