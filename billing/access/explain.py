"""Why was this answered: a reader's rights as we knew them at a moment, and as we know them now.

Two clocks run through every right: when it holds, and when we learned of it. What was answered at a
moment follows from what was known by then, so late news never changes an old explanation. Who read
what is never written down: free articles are not explained, only rights.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.access.decide import Decision, Facts, Policy, Right, decide
from billing.access.meter import window_of
from billing.models import Entitlement, EntitlementSource, Subscription


@dataclass(frozen=True, slots=True)
class Known:
    """One right, as it was known.

    Attributes:
        comes_from: the object at Stripe that gave it, with its status now; '' for none.
        holds: whether it held at the moment that is explained.
    """

    row: Entitlement
    comes_from: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer at one moment, and what made it so.

    Attributes:
        at: the moment.
        decision: what was answered then by rights; without one, the free articles decided.
        known: every right that was known then.
    """

    at: datetime
    decision: Decision
    known: tuple[Known, ...]


def explain(session: Session, reader_id: UUID, *, at: datetime, policy: Policy) -> Explanation:
    """Say what a reader was, or would be, answered at a moment, from what was known by then."""
    rows = session.scalars(
        sa.select(Entitlement)
        .where(
            Entitlement.reader_id == reader_id,
            Entitlement.recorded_at <= at,
            sa.or_(Entitlement.superseded_at.is_(None), Entitlement.superseded_at > at),
        )
        .order_by(Entitlement.starts_at, Entitlement.recorded_at, Entitlement.id)
    ).all()
    rights = tuple(Right(row.source, row.starts_at, row.ends_at) for row in rows)
    facts = Facts(rights, used=0, read_before=False, window_ends=window_of(at).ends_at)
    known = tuple(
        Known(row, _comes_from(session, row), right.holds(at))
        for row, right in zip(rows, rights, strict=True)
    )
    return Explanation(at, decide(facts, now=at, policy=policy), known)


def _comes_from(session: Session, row: Entitlement) -> str:
    if row.source not in (EntitlementSource.SUBSCRIPTION, EntitlementSource.GRACE):
        return ""
    ours = session.get(Subscription, UUID(row.source_id))
    return f"{ours.stripe_subscription_id}, {ours.status.value} now" if ours else ""
