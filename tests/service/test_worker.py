"""A worker as a process: it works, it stops in order, and killed it leaves nothing undone."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import Donation, Feed, OutboxMessage, OwedState, StripeEvent
from billing.money import Money
from tests.service.conftest import ROOT, environment_of
from tests.support.smtp import MailCatcher
from tests.support.stripe import LocalStripe
from webhooks import event
from webhooks.record import record, subject_in

PATIENCE = 30.0

pytestmark = pytest.mark.slow


@contextmanager
def a_worker(context: Context, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `billing worker` on what a test sees."""
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "worker"],
            cwd=ROOT,
            env=environment_of(context.settings),
            stdout=written,
            stderr=written,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def give(context: Context, stripe: LocalStripe) -> None:
    """Give £25, and store what Stripe says of it."""
    started = checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="127.0.0.1",
    )
    stripe.pay(started.url)
    for each in stripe.client.v1.events.list({"limit": 100}).auto_paging_iter():
        body = str(each).encode()
        said = event.read(body)
        with context.db.unit_of_work() as session:
            record(
                session,
                said,
                body=body,
                headers={},
                feed=Feed.WEBHOOK,
                subject=subject_in(said),
                settings=context.settings,
                now=context.clock.now(),
            )


def owed(context: Context) -> int:
    with context.db.reading() as session:
        return sum(
            session.scalars(
                sa.select(sa.func.count()).select_from(table).where(table.state != OwedState.DONE)
            ).one()
            for table in (StripeEvent, OutboxMessage)
        )


def donations(context: Context) -> list[int]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Donation.amount)))


def in_hand(context: Context) -> bool:
    with context.db.reading() as session:
        states = session.scalars(sa.select(StripeEvent.state)).all()
    return OwedState.RUNNING in states


def test_a_worker_applies_events_sends_mail_and_stops_when_asked(
    context: Context, stripe: LocalStripe, smtp: MailCatcher, tmp_path: Path
) -> None:
    give(context, stripe)
    log = tmp_path / "worker.log"

    with a_worker(context, log) as worker:
        until(lambda: donations(context) == [25_00] and not owed(context), log)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0

    assert len(smtp.messages) == 1
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("worker started", "worker stopped")
    assert "@" not in log.read_text()


def test_killed_with_an_event_in_hand_nothing_is_lost_and_nothing_doubled(
    context: Context, stripe: LocalStripe, smtp: MailCatcher, tmp_path: Path
) -> None:
    give(context, stripe)
    log = tmp_path / "worker.log"
    # The SDK asks again after a while, and so it is for a while that the event is in hand.
    stripe.control("fail_next", method="GET", times=3)
    with a_worker(context, log) as worker:
        until(lambda: in_hand(context), log)
        worker.kill()
        worker.wait()
    assert (in_hand(context), donations(context)) == (True, [])

    stripe.advance(seconds=3600)  # whatever it had leased has run out
    with a_worker(context, log):
        until(lambda: donations(context) == [25_00] and not owed(context), log)

    assert len(smtp.messages) == 1


def test_killed_again_and_again_at_its_work_it_gets_there(
    context: Context, stripe: LocalStripe, smtp: MailCatcher, tmp_path: Path
) -> None:
    for _ in range(5):
        give(context, stripe)
    log = tmp_path / "worker.log"
    for started, pause in enumerate((0.0, 0.05, 0.2), start=1):
        with a_worker(context, log) as worker:
            until(lambda n=started: log.read_text().count("worker started") == n, log)  # type: ignore[misc]
            time.sleep(pause)
            worker.kill()
            worker.wait()
        stripe.advance(seconds=3600)
    with a_worker(context, log):
        until(lambda: not owed(context), log)

    assert donations(context) == [25_00] * 5
