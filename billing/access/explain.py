"""Why was this answered: a reader's rights as we knew them at a moment, and as we know them now.

Two clocks run through every right: when it holds, and when we learned of it. What was answered at a
moment follows from what was known by then, so late news never changes an old explanation. Who read
what is never written down: free articles are not explained, only rights and the staff's openings.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.access.break_glass import opened
from billing.access.decide import Decision, Facts, Opening, Policy, Right, decide
from billing.access.meter import window_of
from billing.access.reasons import OF_SOURCE
from billing.models import Entitlement, EntitlementSource, Reader, Subscription


@dataclass(frozen=True, slots=True)
class Known:
    """One right, as it was known.

    Attributes:
        reason_words: why it was given, in words.
        row_id: of the table's row that says so.
        recorded_at: when we learned of it.
        superseded_at: when we learned otherwise; None if it stands.
        comes_from: the object at Stripe that gave it, with its status now; '' for none.
        holds: whether it held at the moment that is explained.
    """

    right: Right
    reason_words: str
    row_id: UUID
    reader_id: UUID
    source: EntitlementSource
    recorded_at: datetime
    superseded_at: datetime | None
    comes_from: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer at one moment, and what made it so.

    Attributes:
        at: the moment.
        decision: what was answered then by rights; without one, the free articles decided.
        known: every right that was known then.
        openings: the staff's that ran then.
    """

    at: datetime
    decision: Decision
    known: tuple[Known, ...]
    openings: tuple[Opening, ...]

    @property
    def by_right(self) -> bool:
        """Whether a right let the reader in, or the staff had; else the free articles decided."""
        return self.decision.meter is None


def explain(session: Session, reader_id: UUID, *, at: datetime, policy: Policy) -> Explanation:
    """Say what a reader was, or would be, answered at a moment, from what was known by then.

    To the second in which a process may still answer from memory.
    """
    known = _known(
        session,
        sa.select(Entitlement)
        .where(
            Entitlement.reader_id == reader_id,
            Entitlement.recorded_at <= at,
            sa.or_(Entitlement.superseded_at.is_(None), Entitlement.superseded_at > at),
        )
        .order_by(Entitlement.starts_at, Entitlement.recorded_at, Entitlement.id),
        at,
    )
    openings = opened(session, at=at)
    facts = Facts(
        tuple(each.right for each in known),
        used=0,
        read_before=False,
        window_ends=window_of(at).ends_at,
        openings=openings,
    )
    return Explanation(at, decide(facts, now=at, policy=policy), known, openings)


def ever_known(
    session: Session, reader_ids: Sequence[UUID], *, now: datetime, most: int
) -> tuple[Known, ...]:
    """Return all we ever knew of these readers' rights, what we learned last first."""
    rows = (
        sa.select(Entitlement)
        .where(Entitlement.reader_id.in_(reader_ids))
        .order_by(Entitlement.recorded_at.desc(), Entitlement.id)
        .limit(most)
    )
    return _known(session, rows, now)


def earlier_selves(session: Session, reader_id: UUID) -> Sequence[UUID]:
    """Return the readers who were merged into this one: a browser may have asked as one of them."""
    return session.scalars(
        sa.select(Reader.id)
        .where(Reader.merged_into == reader_id)
        .order_by(Reader.created_at, Reader.id)
    ).all()


def _known(session: Session, rows: sa.Select[Entitlement], at: datetime) -> tuple[Known, ...]:
    return tuple(_as_known(session, row, at) for row in session.scalars(rows).all())


def _as_known(session: Session, row: Entitlement, at: datetime) -> Known:
    right = Right(OF_SOURCE[row.source], row.starts_at, row.ends_at)
    return Known(
        right=right,
        reason_words=row.reason,
        row_id=row.id,
        reader_id=row.reader_id,
        source=row.source,
        recorded_at=row.recorded_at,
        superseded_at=row.superseded_at,
        comes_from=_comes_from(session, row),
        holds=right.holds(at),
    )


def _comes_from(session: Session, row: Entitlement) -> str:
    if row.source not in (EntitlementSource.SUBSCRIPTION, EntitlementSource.GRACE):
        return ""
    with contextlib.suppress(ValueError):  # what is no id of ours names nothing
        ours = session.get(Subscription, UUID(row.source_id))
        if ours is not None:
            return f"{ours.stripe_subscription_id}, {ours.status.value} now"
    return ""
