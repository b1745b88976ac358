"""Working through Stripe's events as they were stored, at our own pace.

An event answered 200 always comes to an end here without further help from Stripe: applied,
ignored with a reason, quarantined, or parked where a person sees it. The effects of an event and
the mark that it is handled are one commit, so a process may die at any line. Many events about one
object are one look.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import payments, queue, reconciliation, tasks
from billing.clock import accounting_day
from billing.context import Context
from billing.errors import PASSING, BillingError, KeyRefusedError, StaleReadError
from billing.models import Feed, OwedState, StripeEvent
from billing.queue.owed import ATTEMPTS_BEFORE_PARKING, LEASE
from billing.reconciliation import Subject
from billing.stripe_gateway.client import TIMEOUT, patience
from billing.words import counted
from webhooks import dispatch, event

APPLIED: Final = "applied"
NOT_OURS: Final = "ignored: not ours"
_FOR_EVER: Final = sys.maxsize  # an outage of hours must not leave staff with every event
_MOST_AT_ONCE: Final = 500  # events that one look may answer
_TOO_LONG: Final = timedelta(hours=6)
_OLD: Final = "events-wait"
_PATIENCE: Final = LEASE.total_seconds() - 2 * TIMEOUT  # seconds; then Stripe is asked no more

_log = structlog.get_logger(__name__)


class DeadlyError(BillingError):
    """Whoever takes this up dies of it."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """One event in hand, and the others that a look begun from now on answers as well.

    Attributes:
        others: events about the same object that were stored and owed when this one was claimed.
        feed: who told us first of any of them.
    """

    row: StripeEvent
    others: tuple[int, ...]
    feed: Feed


def handle_due(context: Context, *, most: int) -> int:
    """Handle up to `most` events that are due, one after the other; one cannot hold up another.

    Returns:
        How many were taken up, whatever became of them.
    """
    for handled in range(most):
        with context.db.unit_of_work() as session:
            claim = _claim(session, now=context.clock.now())
        if claim is None:
            return handled
        if queue.is_deadly(claim.row):
            _set_aside(context, claim.row)
        else:
            _handle(context, claim)
    return most


def _claim(session: Session, *, now: datetime) -> _Claim | None:
    """Take the event whose turn it is, and read which others wait for the same look.

    They are read in the transaction of the claim, so each was stored before the look began: what
    it says, the look sees.
    """
    rows = queue.claim_due(session, StripeEvent, now=now)
    if not rows:
        return None
    (row,) = rows
    waiting = (
        sa.select(StripeEvent.id, StripeEvent.feed)
        .where(
            StripeEvent.subject == row.subject,
            StripeEvent.subject != "",
            StripeEvent.state == OwedState.READY,
        )
        .order_by(StripeEvent.id)
        .limit(_MOST_AT_ONCE)
    )
    others = [(each.id, each.feed) for each in session.execute(waiting)]
    told = Feed.WEBHOOK in {row.feed, *(feed for _, feed in others)}
    return _Claim(row, tuple(id_ for id_, _ in others), Feed.WEBHOOK if told else row.feed)


def _handle(context: Context, claim: _Claim) -> None:
    """Look at what an event is about, and write down what became of it."""
    row = claim.row
    try:
        subject = dispatch.subject_of(event.read(row.body))
    except dispatch.IgnoredError as ignored:
        with context.db.unit_of_work() as session:
            _finish(session, row, outcome=f"ignored: {ignored}")
        return
    except event.MalformedError as error:  # a nest that just passed at the door, say
        _give_back(context, row, error)
        return
    # A row stored by a release that knew other types may be kept under another subject.
    others = claim.others if str(subject) == row.subject else ()
    applied = partial(_finish_all, row=row, subject=subject, others=others)
    try:
        with patience(_PATIENCE):
            reconciliation.refresh(context, subject, feed=claim.feed, also=applied)
    except Exception as error:  # noqa: BLE001  # whatever it is, the event stays owed
        _give_back(context, row, error)
    else:
        _log.info(
            "event applied",
            event_id=row.event_id,
            type=row.type,
            object_id=row.object_id,
            with_it=len(others),
        )


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
            elif isinstance(error, KeyRefusedError):
                _ask_to_let_us(session, row, error, now=now)
    except StaleReadError:
        _log.info("event taken over", event_id=row.event_id)


def _tell_staff(session: Session, row: StripeEvent, error: Exception, *, now: datetime) -> None:
    tasks.raise_task(
        session,
        "parked-event",
        # With the day: an event replayed in vain is a new thing to look at.
        subject=f"{row.event_id} {accounting_day(now).isoformat()}",
        detail=f"{row.type} about {row.object_id or 'nothing named'} was tried"
        f" {counted(row.attempts, 'time')} and set aside ({type(error).__name__}). When the cause"
        " is mended, try it again in the office under Stripe, or with: billing replay"
        f" {row.event_id}",
        now=now,
    )


def _ask_to_let_us(
    session: Session, row: StripeEvent, error: KeyRefusedError, *, now: datetime
) -> None:
    tasks.raise_again(
        session,
        "key-refused",
        subject=row.subject.partition(":")[0],
        detail=f"{row.type} about {row.object_id or 'nothing named'} waits, because Stripe does not"
        f" let our key read what it needs ({error}). `billing doctor` names what is missing: give"
        " the key that right in Stripe's dashboard. What waits is then handled by itself.",
        now=now,
    )


def ask_about_old(context: Context) -> int:
    """Ask the staff about events that have waited too long, and stop asking once none does.

    One of long ago that is to be handled once more has only begun to wait.

    Returns:
        How many there are.
    """
    now = context.clock.now()
    old = sa.and_(
        StripeEvent.state.in_((OwedState.READY, OwedState.RUNNING)),
        StripeEvent.received_at < now - _TOO_LONG,
        sa.or_(
            StripeEvent.attempts >= ATTEMPTS_BEFORE_PARKING, StripeEvent.run_at < now - _TOO_LONG
        ),
    )
    with context.db.unit_of_work() as session:
        number = session.scalar(sa.select(sa.func.count()).where(old)) or 0
        if not number:
            tasks.settle_tasks(session, _OLD, subject="events", now=now)
            return 0
        first = session.scalars(
            sa.select(StripeEvent).where(old).order_by(StripeEvent.received_at).limit(1)
        ).one()
        tasks.raise_again(
            session,
            _OLD,
            subject="events",
            detail=f"{counted(number, 'event')} from Stripe waited for more than"
            f" {_TOO_LONG // timedelta(hours=1)} hours, {first.event_id} ({first.type}) the"
            f" longest: {first.last_error or 'no worker took it up'}. `billing doctor` says what"
            " is wrong. Nothing is lost, and what waits is handled by itself once it can be.",
            now=now,
        )
    return number


def _set_aside(context: Context, row: StripeEvent) -> None:
    """Park an event that ended one worker after another, before it ends this one."""
    error = DeadlyError(f"{row.lost_leases} workers died with it in hand")
    _log.error("event set aside", event_id=row.event_id, lost_leases=row.lost_leases)
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        queue.park(session, row, error=str(error))
        _tell_staff(session, row, error, now=now)


def _finish_all(
    session: Session, *, row: StripeEvent, subject: Subject, others: Sequence[int]
) -> None:
    """Mark an event applied, and with it those that the same look has answered."""
    session.flush()  # what the look has found, if it was that the object is none of ours
    strange = payments.is_foreign(session, subject.id)
    _finish(session, row, outcome=NOT_OURS if strange else APPLIED)
    if not others:
        return
    # Only what still waits, and nobody else has in hand: theirs is a look of its own.
    waiting = sa.select(StripeEvent.id).where(
        StripeEvent.id.in_(others), StripeEvent.state == OwedState.READY
    )
    held = session.scalars(waiting.order_by(StripeEvent.id).with_for_update(skip_locked=True)).all()
    session.execute(
        sa.update(StripeEvent)
        .where(StripeEvent.id.in_(held))
        .values(
            state=OwedState.DONE,
            outcome=NOT_OURS if strange else f"{APPLIED} with {row.event_id}",
            last_error="",
        )
        .execution_options(synchronize_session=False)
    )


def _finish(session: Session, row: StripeEvent, *, outcome: str) -> None:
    """Mark a claimed event handled; refused where another worker has it by now."""
    queue.finish(session, row)
    session.execute(
        sa.update(StripeEvent)
        .where(StripeEvent.id == row.id)
        .values(outcome=outcome[:300])
        .execution_options(synchronize_session=False)
    )
