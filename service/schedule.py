"""What repeats, and when: times of day are London's, and one process of many runs each slot.

The table holds when each job runs next. Whoever moves that on has the slot; a slot missed while
nothing ran, or while a clock was moved, is run once and not as often as it was missed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
import structlog
from cronsim import CronSim
from sqlalchemy.orm import Session

from billing import access, rate_limits, reconciliation, sign_in, subscriptions, tasks
from billing.access import gift_links
from billing.clock import LONDON
from billing.context import Context
from billing.db import changed_one, insert_ignore
from billing.errors import PASSING, KeyRefusedError
from billing.models import Schedule
from billing.reconciliation import rounds
from billing.reconciliation.verify import verify_daily
from webhooks import inbox, poll, rotation, silence

_FAILS: Final = "job-fails"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that repeats.

    Attributes:
        name: its row.
        when: a cron expression, in London's time.
        run: does it; may run twice without harm, since a process may die in it.
    """

    name: str
    when: str
    run: Callable[[Context], object]


def _nightly(forget: Callable[..., object]) -> Callable[[Context], object]:
    """Run a verb that takes a session and the time, in a transaction of its own."""

    def run(context: Context) -> None:
        with context.db.unit_of_work() as session:
            forget(session, now=context.clock.now())

    return run


JOBS: Final = (
    # There is no event for a balance transaction: the books would not know of one.
    Job("balance_transactions", "* * * * *", reconciliation.poll_balance_transactions),
    # What waits on a webhook that may never come.
    Job("unfinished", "*/5 * * * *", reconciliation.poll_unfinished),
    # What a webhook should have told, and did not.
    Job("events", "*/5 * * * *", poll.poll_events),
    # That none comes at all should be heard before a reader complains.
    Job("silence", "*/30 * * * *", silence.listen),
    # What waits for ever without a word would be missed for as long.
    Job("old_events", "15 * * * *", inbox.ask_about_old),
    # While an old secret is known, whoever has it can speak as Stripe.
    Job("old_secrets", "45 6 * * *", rotation.look_for_old_secrets),
    # Stripe may never say that an invoice is coming; the law asks for the reminder all the same.
    Job("renewals", "15 6 * * *", subscriptions.remind_of_renewals),
    # What we asked of Stripe and never heard the end of.
    Job("commands", "* * * * *", reconciliation.finish_commands),
    Job("past_windows", "10 3 * * *", _nightly(access.forget_past_windows)),
    Job("past_links", "15 3 * * *", _nightly(gift_links.forget_past)),
    Job("sign_ins", "20 3 * * *", _nightly(sign_in.forget_expired)),
    Job("rate_limits", "30 3 * * *", _nightly(rate_limits.forget_expired)),
)

# Everything compared with Stripe: it takes minutes, and nothing else waits for it.
ROUNDS: Final = (
    Job("nightly_round", "30 2 * * 1-6", rounds.nightly),
    Job("weekly_round", "30 2 * * 0", rounds.weekly),
    Job("verification", "30 6 * * *", verify_daily),
    # What was said while we were away for longer than Stripe lists it.
    Job("gap", "*/5 * * * *", rounds.make_up_for_a_gap),
)


def run_due(context: Context, jobs: tuple[Job, ...] = JOBS) -> int:
    """Run every job whose time has come and which nobody else has taken; return how many ran."""
    ran = 0
    for job in jobs:
        with context.db.unit_of_work() as session:
            mine = _take(session, job, now=context.clock.now())
        if mine:
            ran += 1
            _run(context, job)
    return ran


def _run(context: Context, job: Job) -> None:
    """Run one job. What fails is tried again in its next slot, and told where it will not pass."""
    try:
        job.run(context)
    except Exception as error:  # noqa: BLE001  # whatever it is, the others run
        _log.error("job failed", job=job.name, exc_info=error)
        if isinstance(error, PASSING) and not isinstance(error, KeyRefusedError):
            return
        says = str(error) if isinstance(error, KeyRefusedError) else type(error).__name__
        detail = (
            f"What the worker does under the name {job.name} fails ({says}), and is tried again"
            " each time it is due. `billing doctor` says what it can; the log has the rest."
        )
        with context.db.unit_of_work() as session:
            tasks.raise_again(
                session, _FAILS, subject=job.name, detail=detail, now=context.clock.now()
            )
        return
    with context.db.reading() as session:
        failed = tasks.is_open(session, _FAILS, subject=job.name)
    if failed:
        with context.db.unit_of_work() as session:
            tasks.settle_tasks(session, _FAILS, subject=job.name, now=context.clock.now())


def slot_after(job: Job, now: datetime) -> datetime:
    """Return the first time after `now` that a job is due."""
    return next(CronSim(job.when, now.astimezone(LONDON))).astimezone(UTC)


def _take(session: Session, job: Job, *, now: datetime) -> bool:
    """Move a job's next run on; whoever does it has the slot."""
    row = session.get(Schedule, job.name)
    following = slot_after(job, now)
    if row is None:
        session.execute(
            insert_ignore(session, Schedule).values(
                name=job.name, next_run=following, last_run=None
            )
        )
        return False
    due = row.next_run <= now
    if not due and row.next_run <= following:
        return False
    # Not due, yet further off than the next slot: the clock was set back, or the times changed.
    moved = sa.update(Schedule).where(Schedule.name == job.name, Schedule.next_run == row.next_run)
    values = {"next_run": following, **({"last_run": now} if due else {})}
    return changed_one(session, moved.values(**values)) and due
