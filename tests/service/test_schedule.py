"""What repeats runs once in each slot, by whoever comes first, however the clock moves."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from billing import tasks
from billing.clock import Clock
from billing.context import Context
from billing.errors import KeyRefusedError, StripeUnavailableError
from billing.models import Schedule
from service.schedule import JOBS, Job, run_due, slot_after
from tests.webhooks.conftest import quiet

__all__ = ["quiet"]  # the fixture


class Counted:
    """A job that counts its runs."""

    def __init__(self, when: str = "* * * * *") -> None:
        self.runs = 0
        self._lock = threading.Lock()
        self.job = Job("counted", when, self)

    def __call__(self, context: Context) -> None:
        with self._lock:
            self.runs += 1


@pytest.fixture
def moved(quiet: Context, tmp_path: Path) -> "Moved":
    return Moved(quiet, tmp_path / "offset")


class Moved:
    """A context whose clock a test moves."""

    def __init__(self, context: Context, offset: Path) -> None:
        self._offset = offset
        self.context = replace(context, clock=Clock(offset))

    def to(self, **difference: float) -> None:
        seconds = int(timedelta(**difference).total_seconds())
        self._offset.write_text(str(seconds))

    def row(self) -> Schedule:
        with self.context.db.reading() as session:
            return session.get_one(Schedule, "counted")


def test_a_job_runs_once_in_its_slot(moved: Moved) -> None:
    counted = Counted()
    run_due(moved.context, (counted.job,))
    moved.to(minutes=1)
    before = moved.context.clock.now()
    run_due(moved.context, (counted.job,))
    run_due(moved.context, (counted.job,))

    assert counted.runs == 1
    assert moved.row().next_run > before


def test_of_many_who_try_one_runs_the_job(moved: Moved) -> None:
    counted = Counted()
    run_due(moved.context, (counted.job,))
    moved.to(minutes=1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: run_due(moved.context, (counted.job,)), range(8)))

    assert counted.runs == 1


def test_a_clock_moved_by_a_month_makes_no_storm(moved: Moved) -> None:
    counted = Counted()
    run_due(moved.context, (counted.job,))
    moved.to(days=31)
    for _ in range(3):
        run_due(moved.context, (counted.job,))

    assert counted.runs == 1


def test_a_clock_set_back_does_not_stop_a_job_for_a_month(moved: Moved) -> None:
    counted = Counted()
    moved.to(days=31)
    run_due(moved.context, (counted.job,))
    moved.to(days=0)
    run_due(moved.context, (counted.job,))
    moved.to(minutes=1)
    run_due(moved.context, (counted.job,))

    assert counted.runs == 1


def test_a_job_that_fails_keeps_no_other_from_running_and_runs_again(moved: Moved) -> None:
    counted = Counted()
    failed = []

    def fail(context: Context) -> None:
        failed.append(1)
        raise ValueError("for a reason")

    jobs = (Job("failing", "* * * * *", fail), counted.job)
    run_due(moved.context, jobs)
    for minutes in (1, 2):
        moved.to(minutes=minutes)
        run_due(moved.context, jobs)

    assert (len(failed), counted.runs) == (2, 2)


@pytest.mark.parametrize(
    ("when", "now", "then"),
    [
        (
            "10 3 * * *",
            datetime(2026, 11, 23, 10, tzinfo=UTC),
            datetime(2026, 11, 24, 3, 10, tzinfo=UTC),
        ),
        (
            "10 3 * * *",
            datetime(2026, 6, 23, 10, tzinfo=UTC),
            datetime(2026, 6, 24, 2, 10, tzinfo=UTC),
        ),
        (
            "30 1 * * *",
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        ),
    ],
)
def test_times_of_day_are_londons(when: str, now: datetime, then: datetime) -> None:
    assert slot_after(Counted(when).job, now) == then


def test_every_job_we_have_knows_its_next_slot_and_runs(moved: Moved) -> None:
    now = moved.context.clock.now()
    assert all(slot_after(job, now) > now for job in JOBS)

    for job in JOBS[3:]:  # the first three ask Stripe
        job.run(moved.context)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (KeyRefusedError("the key was refused: it lacks rak_charge_read"), 1),
        (StripeUnavailableError("no answer"), 0),
        (ZeroDivisionError(), 1),
    ],
)
def test_a_job_that_fails_is_asked_about_where_it_will_not_pass_and_no_more_once_it_works(
    moved: Moved, error: Exception, asked: int
) -> None:
    fails = [error, error, None]

    def run(_context: Context) -> None:
        if (why := fails.pop(0)) is not None:
            raise why

    job = Job("counted", "* * * * *", run)
    run_due(moved.context, (job,))
    for minute in (1, 2):
        moved.to(minutes=minute)
        assert run_due(moved.context, (job,)) == 1

    with moved.context.db.reading() as session:
        waiting = tasks.open_tasks(session)
    assert [(task.kind, task.subject) for task in waiting] == [("job-fails", "counted")] * asked
    if isinstance(error, KeyRefusedError):
        assert "rak_charge_read" in waiting[0].detail
    moved.to(minutes=3)
    run_due(moved.context, (job,))
    with moved.context.db.reading() as session:
        assert tasks.open_tasks(session) == []
