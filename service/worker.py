"""The process that works through what is owed: Stripe's events, mail, what repeats.

Each lane is a loop that does one thing at a time and never ends of an error. Asked to stop, every
lane finishes what it has in hand; killed, it leaves nothing behind that another would not take up.
"""

import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from billing import reconciliation
from billing.context import Context
from billing.db import insert_ignore
from billing.models import Heartbeat
from emails.deliver import deliver_due
from emails.transports import SmtpTransport
from service import schedule
from webhooks import inbox

_SHORTEST: Final = 0.02  # seconds between two looks for work; doubled while there is none
_LONGEST: Final = 0.3
_HEARTBEAT: Final = 5.0
_AFTER_FAILURE: Final = 2.0
_EVENT_LANES: Final = 4  # of them mostly wait for Stripe; SQLite has one writer, and one lane

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """One loop of work.

    Attributes:
        work: does a little, and returns how much; 0 when nothing was owed.
        longest: seconds it may rest when nothing is.
    """

    name: str
    work: Callable[[], int]
    longest: float = _LONGEST


def run(context: Context, *, stop: threading.Event | None = None) -> None:
    """Work until asked to stop, by `stop` or by SIGTERM or SIGINT."""
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for asked in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked, lambda *_: stop.set())
    lanes = lanes_of(context)
    threads = [
        threading.Thread(target=_keep_going, args=(lane, stop), name=lane.name) for lane in lanes
    ]
    for thread in threads:
        thread.start()
    _log.info("worker started", lanes=[lane.name for lane in lanes])
    stop.wait()
    for thread in threads:
        thread.join()
    _log.info("worker stopped")


def lanes_of(context: Context) -> list[Lane]:
    """Return every loop of one worker process."""
    events = 1 if context.db.is_sqlite else _EVENT_LANES
    # One at a time: between two, a lane hears that it should stop.
    handle = partial(inbox.handle_due, context, most=1)
    mail = partial(deliver_due, context, SmtpTransport(context.settings.mail), most=1)
    return [
        *(Lane(f"events-{number}", handle) for number in range(1, events + 1)),
        Lane("mail", mail),
        Lane("looks", partial(reconciliation.look_at_due_readers, context, most=1)),
        Lane("schedule", partial(schedule.run_due, context)),
        Lane("rounds", partial(schedule.run_due, context, schedule.ROUNDS)),
        Lane("heartbeat", partial(beat, context), longest=_HEARTBEAT),
    ]


def beat(context: Context) -> int:
    """Write down that this machine works, in the machine's own time: ours may be moved."""
    name = socket.gethostname()[:60]
    now = datetime.now(UTC)
    with context.db.unit_of_work() as session:
        session.execute(insert_ignore(session, Heartbeat).values(name=name, at=now))
        row = session.get_one(Heartbeat, name)
        row.at = now
    return 0


def _keep_going(lane: Lane, stop: threading.Event) -> None:
    rest = _SHORTEST
    while not stop.is_set():
        try:
            worked = lane.work()
        except Exception as error:  # noqa: BLE001  # a lane outlives whatever went wrong in it
            _log.error("lane failed", lane=lane.name, exc_info=error)
            stop.wait(_AFTER_FAILURE)
            continue
        rest = _SHORTEST if worked else min(rest * 2, lane.longest)
        if not worked:
            stop.wait(rest)
