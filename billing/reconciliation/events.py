"""Stripe's events as they are kept: which were set aside, and owing them again.

Replaying is always safe: an event only says *look again*, and so does hearing it again.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import queue
from billing.errors import RefusedError
from billing.models import OwedState, StripeEvent


class NotReplayableError(RefusedError):
    """There is no such event, or it is not ours to act on."""


def parked_events(session: Session, *, most: int) -> list[StripeEvent]:
    """Return the events that were set aside and wait for a person, the newest first."""
    parked = sa.select(StripeEvent).where(StripeEvent.state == OwedState.PARKED)
    return list(session.scalars(parked.order_by(StripeEvent.id.desc()).limit(most)))


def find_event(session: Session, event_id: str) -> StripeEvent | None:
    """Return an event by Stripe's id; of two accounts' events, our own."""
    found = sa.select(StripeEvent).where(StripeEvent.event_id == event_id)
    return session.scalar(found.order_by(StripeEvent.account, StripeEvent.id).limit(1))


def replay_event(session: Session, event_id: str, *, now: datetime) -> StripeEvent:
    """Owe an event again from the start, whatever became of it.

    Raises:
        NotReplayableError: it is unknown, or quarantined.
    """
    row = find_event(session, event_id)
    if row is None:
        raise NotReplayableError(f"there is no event {event_id}")
    if row.outcome.startswith("quarantined"):
        raise NotReplayableError(f"{event_id} is {row.outcome}")
    queue.replay(session, StripeEvent, StripeEvent.id == row.id, now=now, outcome="")
    return row


def replay_since(session: Session, since: datetime, *, now: datetime) -> int:
    """Owe again every event made or heard since an instant, those that were ignored too.

    What is not ours stays kept apart, and what a worker has in hand stays in hand.

    Returns:
        How many.
    """
    ours = sa.and_(
        sa.or_(StripeEvent.received_at >= since, StripeEvent.created_at >= since),
        StripeEvent.state != OwedState.RUNNING,
        StripeEvent.outcome.not_like("quarantined%"),
    )
    return queue.replay(session, StripeEvent, ours, now=now, outcome="")
