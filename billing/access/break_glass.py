"""Break-glass: the staff open the paper for some hours, to everybody or to last-known subscribers.

An opening ends by itself, whatever else fails. How far back a subscriber is looked for is the
decision's to say.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit
from billing.access.decide import Opening
from billing.db import Instant
from billing.errors import RefusedError
from billing.models import BreakGlass, OpenTo

LONGEST: Final = 7 * 24  # hours; whoever needs more must decide so again
LONGEST_REASON: Final = 300

# The openings that have not ended, as the decision takes them.
STANDING: Final = (
    sa.select(BreakGlass.open_to, BreakGlass.starts_at, BreakGlass.ends_at)
    .where(BreakGlass.ends_at > sa.bindparam("now", type_=Instant()))
    .order_by(BreakGlass.id)
)


def open_paper(
    session: Session, *, open_to: OpenTo, hours: int, reason: str, actor: str, now: datetime
) -> BreakGlass:
    """Open the paper from now on for some hours. What is open already stays as it is.

    Raises:
        RefusedError: too many hours or none, or no reason; the message says what to do.
    """
    why = reason.strip()
    if not 1 <= hours <= LONGEST:
        raise RefusedError(f"Choose between 1 and {LONGEST} hours.")
    if not 1 <= len(why) <= LONGEST_REASON:
        raise RefusedError(f"Say why, in at most {LONGEST_REASON} letters.")
    opening = BreakGlass(
        open_to=open_to,
        reason=why,
        opened_by=actor,
        starts_at=now,
        ends_at=now + timedelta(hours=hours),
    )
    session.add(opening)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="paper opened",
        subject=f"opening:{opening.id}",
        now=now,
        open_to=open_to,
        hours=hours,
        reason=why,
    )
    return opening


def close_paper(session: Session, *, actor: str, now: datetime) -> int:
    """End every opening that runs, and return how many did. Closing twice changes nothing."""
    closing = session.scalars(_running(now).with_for_update()).all()
    for opening in closing:
        opening.planned_end = opening.ends_at
        opening.ends_at = max(now, opening.starts_at)  # another machine's clock may be ahead
        opening.closed_at, opening.closed_by = now, actor
        audit.record(
            session, actor=actor, action="paper closed", subject=f"opening:{opening.id}", now=now
        )
    session.flush()
    return len(closing)


def running(session: Session, *, now: datetime) -> Sequence[BreakGlass]:
    """Return the openings that run now, the oldest first."""
    return session.scalars(_running(now)).all()


def lately(session: Session, *, most: int) -> Sequence[BreakGlass]:
    """Return the openings there were, the newest first."""
    return session.scalars(sa.select(BreakGlass).order_by(BreakGlass.id.desc()).limit(most)).all()


def standing(session: Session, *, now: datetime) -> tuple[Opening, ...]:
    """Return the openings that have not ended, as the decision takes them."""
    return tuple(Opening(*row) for row in session.execute(STANDING, {"now": now}))


def opened(session: Session, *, at: datetime) -> tuple[Opening, ...]:
    """Return the openings that ran at a moment, as they were known then.

    One that was closed later was still to end as planned.
    """
    begun = session.scalars(
        sa.select(BreakGlass).where(BreakGlass.starts_at <= at).order_by(BreakGlass.id)
    )
    known = (Opening(row.open_to, row.starts_at, _end_known(row, at)) for row in begun)
    return tuple(opening for opening in known if opening.ends_at > at)


def _end_known(row: BreakGlass, at: datetime) -> datetime:
    if row.planned_end is not None and row.closed_at is not None and at < row.closed_at:
        return row.planned_end
    return row.ends_at


def _running(now: datetime) -> sa.Select[BreakGlass]:
    return sa.select(BreakGlass).where(BreakGlass.ends_at > now).order_by(BreakGlass.id)
