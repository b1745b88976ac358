"""Working through Stripe's events as they were stored, at our own pace.

An event answered 200 always comes to an end here without further help from Stripe: applied,
ignored with a reason, quarantined, or parked where a person sees it. The effects of an event and
the mark that it is handled are one commit, so a process may die at any line.
"""

import sys
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import queue, reconciliation, tasks
from billing.clock import accounting_day
from billing.context import Context
from billing.errors import PASSING, RefusedError, StaleReadError
from billing.models import StripeEvent
from billing.queue.owed import ATTEMPTS_BEFORE_PARKING
from webhooks import dispatch, event

APPLIED: Final = "applied"
_FOR_EVER: Final = sys.maxsize  # an outage of hours must not leave staff with every event

_log = structlog.get_logger(__name__)


class NotReplayableError(RefusedError):
    """There is no such event, or it is not ours to act on."""


def handle_due(context: Context, *, most: int) -> int:
    """Handle up to `most` events that are due, one after the other; one cannot hold up another.

    Returns:
        How many were taken up, whatever became of them.
    """
    for handled in range(most):
        with context.db.unit_of_work() as session:
            rows = queue.claim_due(session, StripeEvent, now=context.clock.now())
        if not rows:
            return handled
        _handle(context, rows[0])
    return most


def replay(session: Session, event_id: str, *, now: datetime) -> StripeEvent:
    """Owe an event again from the start. Always safe: it only says *look again*.

    Raises:
        NotReplayableError: it is unknown, or quarantined.
    """
    row = session.scalar(
        sa.select(StripeEvent).where(StripeEvent.event_id == event_id).order_by(StripeEvent.id)
    )
    if row is None:
        raise NotReplayableError(f"there is no event {event_id}")
    if row.outcome.startswith("quarantined"):
        raise NotReplayableError(f"{event_id} is {row.outcome}")
    queue.replay(session, StripeEvent, row.id, now=now)
    _conclude(session, row, outcome="")
    return row


def _handle(context: Context, row: StripeEvent) -> None:
    """Look at what an event is about, and write down what became of it."""
    try:
        subject = dispatch.subject_of(event.read(row.body))
    except dispatch.IgnoredError as ignored:
        with context.db.unit_of_work() as session:
            _finish(session, row=row, outcome=f"ignored: {ignored}")
        return
    except event.MalformedError as error:  # a nest that just passed at the door, say
        _give_back(context, row, error)
        return
    try:
        reconciliation.refresh(context, subject, also=partial(_finish, row=row, outcome=APPLIED))
    except Exception as error:  # noqa: BLE001  # whatever it is, the event stays owed
        _give_back(context, row, error)
    else:
        _log.info("event applied", event_id=row.event_id, type=row.type, object_id=row.object_id)


def _give_back(context: Context, row: StripeEvent, error: Exception) -> None:
    now = context.clock.now()
    _log.warning(
        "event not applied",
        event_id=row.event_id,
        type=row.type,
        attempts=row.attempts,
        error=type(error).__name__,
    )
    try:
        with context.db.unit_of_work() as session:
            parked = queue.retry(
                session,
                row,
                error=f"{type(error).__name__}: {error}",
                now=now,
                attempts=_FOR_EVER if isinstance(error, PASSING) else ATTEMPTS_BEFORE_PARKING,
            )
            if parked:
                _tell_staff(session, row, error, now=now)
    except StaleReadError:
        _log.info("event taken over", event_id=row.event_id)


def _tell_staff(session: Session, row: StripeEvent, error: Exception, *, now: datetime) -> None:
    tasks.raise_task(
        session,
        "parked_event",
        # With the day: an event replayed in vain is a new thing to look at.
        subject=f"{row.event_id} {accounting_day(now).isoformat()}",
        detail=f"{row.type} about {row.object_id or 'nothing named'} failed {row.attempts} times"
        f" and was set aside ({type(error).__name__}). When the cause is mended:"
        f" billing replay {row.event_id}",
        now=now,
    )


def _finish(session: Session, *, row: StripeEvent, outcome: str) -> None:
    """Mark a claimed event handled; refused where another worker has it by now."""
    queue.finish(session, row)
    _conclude(session, row, outcome=outcome)


def _conclude(session: Session, row: StripeEvent, *, outcome: str) -> None:
    session.execute(
        sa.update(StripeEvent)
        .where(StripeEvent.id == row.id)
        .values(outcome=outcome[:300])
        .execution_options(synchronize_session=False)
    )
