"""The one writer of a web process: whatever events wait are stored by one statement, then answered.

A commit waits for the disk, and the disk takes as long for fifty rows as for one. So while one
statement is under way the events that arrive meanwhile gather, and are the next statement. A single
INSERT commits by itself: it needs no session, no BEGIN and no COMMIT, and one connection is enough
for any burst. Nobody is told that an event is stored before the database has said so.
"""

import asyncio
import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from billing.db import Database
from billing.errors import BillingError
from billing.models import StripeEvent

_MOST_AT_ONCE: Final = 100  # rows of one statement; more would only make the first of them wait
_PATIENCE: Final = 15.0  # seconds until Stripe is told to come again; less than a stop may take

Row = Mapping[str, Any]

_log = structlog.get_logger(__name__)


class NotStoredError(BillingError):
    """The database has not said that it keeps the event; Stripe must send it again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One event, and where somebody waits to hear whether it is new."""

    row: Row
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[bool]"


class Writer:
    """A thread with a connection of its own; begun by the first event, ended by `close`."""

    def __init__(self, db: Database) -> None:
        table = StripeEvent.__table__
        insert = sqlite_insert if db.is_sqlite else postgresql_insert
        self._insert = (
            insert(StripeEvent)
            .on_conflict_do_nothing()
            .returning(table.c.account, table.c.event_id)
        )
        self._engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._begin = threading.Lock()
        self._thread: threading.Thread | None = None

    async def store(self, row: Row) -> bool:
        """Store one event, and return once it is committed.

        Returns:
            Whether it is new.

        Raises:
            NotStoredError: it may not be stored; storing it again does no harm.
        """
        if self._thread is None:
            self._start()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()
        self._waiting.put(_Waiting(row, loop, answer))
        try:
            async with asyncio.timeout(_PATIENCE):
                return await answer
        except TimeoutError:
            raise NotStoredError("the database takes too long") from None

    def close(self) -> None:
        """Store what waits, and give the connection back."""
        with self._begin:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._waiting.put(None)
                thread.join(_PATIENCE)

    def _start(self) -> None:
        with self._begin:
            if self._thread is None:
                # A daemon: a database that hangs must not keep a process that was asked to stop.
                self._thread = threading.Thread(target=self._work, name="events", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        with contextlib.closing(_Connection(self._engine)) as connection:
            while batch := self._take():
                self._store(connection, batch)

    def _take(self) -> list[_Waiting]:
        """Wait for an event and return it with all that came meanwhile; none when asked to end."""
        first = self._waiting.get()
        taken = [first] if first else []
        while taken and len(taken) < _MOST_AT_ONCE:
            try:
                following = self._waiting.get_nowait()
            except Empty:
                break
            if following is None:
                self._waiting.put(None)  # for the next time
                break
            taken.append(following)
        return taken

    def _store(self, connection: "_Connection", batch: Sequence[_Waiting]) -> None:
        try:
            new = connection.insert(self._insert, [waiting.row for waiting in batch])
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody may wait for ever
            if len(batch) > 1 and not isinstance(error, (OperationalError, InterfaceError)):
                for one in batch:  # a bad row does not spoil its neighbours
                    self._store(connection, [one])
                return
            _log.error("events not stored", count=len(batch), error=type(error).__name__)
            _tell(batch, [NotStoredError(type(error).__name__)] * len(batch))
        else:
            _tell(batch, [_first(new, waiting.row) for waiting in batch])


class _Connection:
    """A connection that is opened when needed, and once more where the server dropped it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._open: sa.Connection | None = None

    def insert(self, statement: sa.Executable, rows: Sequence[Row]) -> set[tuple[str, str]]:
        """Store rows by one statement; return account and event id of those that are new."""
        kept = self._open is not None
        try:
            return self._run(statement, rows)
        except Exception as error:
            self.close()
            if not (kept and isinstance(error, DBAPIError) and error.connection_invalidated):
                raise
        return self._run(statement, rows)  # the server was restarted since the last event

    def close(self) -> None:
        """Give the connection back, if there is one."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _run(self, statement: sa.Executable, rows: Sequence[Row]) -> set[tuple[str, str]]:
        if self._open is None:
            self._open = self._engine.connect()
        with self._open.begin():  # on PostgreSQL this says nothing: the statement is alone
            given = rows if len(rows) > 1 else rows[0]
            return {(row[0], row[1]) for row in self._open.execute(statement, given)}


def _first(new: set[tuple[str, str]], row: Row) -> bool:
    """Tell whether a row is the first of its event, which may be twice in one batch."""
    event = (row["account"], row["event_id"])
    if event not in new:
        return False
    new.remove(event)
    return True


def _tell(batch: Sequence[_Waiting], outcomes: Sequence[bool | NotStoredError]) -> None:
    """Wake those who wait, in one call for each loop."""
    for loop in {waiting.loop for waiting in batch}:
        mine = [(w.answer, o) for w, o in zip(batch, outcomes, strict=True) if w.loop is loop]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, mine)


def _wake(answers: Sequence[tuple["asyncio.Future[bool]", bool | NotStoredError]]) -> None:
    for answer, outcome in answers:
        if answer.done():  # whoever asked has gone
            continue
        if isinstance(outcome, NotStoredError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
