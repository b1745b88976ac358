"""The writer of a web process: whatever events wait are stored by one commit, then answered.

A commit waits for the disk, and the disk keeps fifty rows as fast as one. So what one turn of the
event loop brings is sent in a few small batches, one for each thread that is free; the database
lets their commits share the disk. Rows go straight to the driver: a session would cost more than
all the rest of the door. Nobody is told that an event is stored before the database has said so.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, cast

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from billing.db import Database
from billing.errors import BillingError
from billing.models import StripeEvent

_THREADS: Final = 8  # and connections; while all are busy, events gather for the next batch
_MOST_AT_ONCE: Final = 4  # rows of one batch: more would keep one processor busy, and one idle
_DEADLOCK: Final = "40P01"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_ENDING: Final = 5.0  # seconds a batch may still take when we are asked to stop

Row = Mapping[str, Any]

_log = structlog.get_logger(__name__)


class NotStoredError(BillingError):
    """The database has not said that it keeps the event; Stripe must send it again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One event, and where somebody waits to hear whether it is new."""

    row: Row
    answer: "asyncio.Future[bool]"


_Batch = list[_Waiting]  # an empty one: the end


class _Line:
    """Batches in the order they came, each for the idle thread that was at work last.

    What it needs, here and at the database's end of its connection, is still at hand: if all took
    turns, a lone event would find everything cold each time, and take a tenth longer.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._batches: deque[_Batch] = deque()
        self._idle: list[SimpleQueue[_Batch]] = []
        self._ended = False

    def put(self, batch: _Batch) -> None:
        """Give a batch to a thread, or leave it for the first that is done."""
        with self._changing:
            if self._idle:
                self._idle.pop().put(batch)
            else:
                self._batches.append(batch)

    def take(self, mine: SimpleQueue[_Batch]) -> _Batch:
        """Return what waits, or wait for it where only this thread is told; nothing at the end."""
        taken: _Batch = []
        with self._changing:
            while self._batches and len(taken) < _MOST_AT_ONCE:
                taken += self._batches.popleft()
            if taken or self._ended:
                return taken
            self._idle.append(mine)
        return mine.get()

    def end(self) -> None:
        """Let every thread go once nothing waits."""
        with self._changing:
            self._ended = True
            for idle in self._idle:
                idle.put([])
            self._idle.clear()


class Writer:
    """A few threads, each with a connection of its own; begun by the first event."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._coming: list[_Waiting] = []
        self._line = _Line()
        self._beginning = threading.Lock()
        self._threads: list[threading.Thread] = []

    async def store(self, row: Row) -> bool:
        """Store one event, and return once it is committed.

        Returns:
            Whether it is new.

        Raises:
            NotStoredError: it may not be stored; storing it again does no harm.
        """
        if not self._threads:
            self._begin()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()
        if not self._coming:
            loop.call_soon(self._hand_over)
        self._coming.append(_Waiting(row, answer))
        return await answer

    def _hand_over(self) -> None:
        coming, self._coming = self._coming, []
        for first in range(0, len(coming), _MOST_AT_ONCE):
            self._line.put(coming[first : first + _MOST_AT_ONCE])

    def close(self) -> None:
        """Store what waits, and let go of the connections."""
        with self._beginning:
            threads, self._threads = self._threads, []
        self._line.end()
        for thread in threads:
            thread.join(_ENDING)

    def _begin(self) -> None:
        with self._beginning:
            if not self._threads:
                self._line = _Line()
                # Daemons: a database that hangs must not keep a process that was asked to stop.
                self._threads = [
                    threading.Thread(target=_work, args=(self._db, self._line), daemon=True)
                    for _ in range(1 if self._db.is_sqlite else _THREADS)
                ]
                for thread in self._threads:
                    thread.start()


def _work(db: Database, line: _Line) -> None:
    connection, mine = _Connection(db), SimpleQueue[_Batch]()
    while batch := line.take(mine):
        _store(connection, batch)
    connection.close()


def _store(connection: "_Connection", batch: Sequence[_Waiting]) -> None:
    # In one order everywhere, or two batches with the same two events could wait for each other.
    batch = sorted(batch, key=lambda waiting: (waiting.row["account"], waiting.row["event_id"]))
    try:
        new = connection.insert([waiting.row for waiting in batch])
    except Exception as error:  # noqa: BLE001  # whatever it is, nobody may wait for ever
        if len(batch) > 1 and not connection.is_down(error):
            for one in batch:  # a bad row does not spoil its neighbours
                _store(connection, [one])
            return
        _log.error("events not stored", count=len(batch), error=type(error).__name__)
        _tell(batch, [NotStoredError(type(error).__name__)] * len(batch))
    else:
        _tell(batch, new)


class _Connection:
    """The driver's own connection: opened when needed, let go of at any failure."""

    def __init__(self, db: Database) -> None:
        self._engine = db.engine
        self._insert = _on_sqlite if db.is_sqlite else _on_postgresql
        self._sql = _statement("?" if db.is_sqlite else "%s")
        self._as_stored = [(c.name, _processor(c, db.engine.dialect)) for c in _COLUMNS]
        self._driver: Any = None

    def insert(self, rows: Sequence[Row]) -> list[bool]:
        """Store rows by one commit; tell of each whether it is new."""
        values = [[put(row[name]) for name, put in self._as_stored] for row in rows]
        kept = self._driver is not None
        try:
            return self._run(values)
        except Exception as error:
            lost = kept and self._engine.dialect.is_disconnect(
                cast("Any", error), self._driver, None
            )
            self.close()
            if not lost:
                raise
        return self._run(values)  # the server was restarted since the last event

    def is_down(self, error: Exception) -> bool:
        """Tell whether it is the database that failed, and not a row."""
        if getattr(error, "sqlstate", "") == _DEADLOCK:  # with somebody else's transaction
            return False
        driver = self._engine.dialect.loaded_dbapi
        return isinstance(error, (SQLAlchemyError, driver.OperationalError, driver.InterfaceError))

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self._driver is not None:
            driver, self._driver = self._driver, None
            driver.close()

    def _run(self, values: Sequence[Sequence[Any]]) -> list[bool]:
        if self._driver is None:
            pooled = self._engine.raw_connection()
            self._driver = pooled.driver_connection
            pooled.detach()  # ours for as long as events come; the pool makes another
        return self._insert(self._driver, self._sql, values)


# All but the number the database gives, and the lease nobody has yet.
_TABLE: Final = cast("sa.Table", StripeEvent.__table__)
_COLUMNS: Final = [c for c in _TABLE.columns if not c.primary_key and not c.nullable]


def _statement(place: str) -> str:
    names = ", ".join(column.name for column in _COLUMNS)
    places = ", ".join([place] * len(_COLUMNS))
    return (
        f"INSERT INTO {_TABLE.name} ({names}) VALUES ({places})"  # noqa: S608  # names of our own
        " ON CONFLICT DO NOTHING RETURNING id"
    )


def _processor(column: "sa.ColumnElement[Any]", dialect: sa.Dialect) -> Callable[[Any], Any]:
    """Return what makes a value what the driver stores: the same as through a session."""
    return column.type.dialect_impl(dialect).bind_processor(dialect) or (lambda value: value)


def _on_postgresql(driver: Any, sql: str, rows: Sequence[Sequence[Any]]) -> list[bool]:
    """Send all rows at once: without a BEGIN, what is sent together is committed together.

    Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
    """
    driver.autocommit = True
    with driver.cursor() as cursor:
        if len(rows) == 1:
            return [cursor.execute(sql, rows[0], prepare=True).fetchone() is not None]
        cursor.executemany(sql, rows, returning=True)
        return [result.fetchone() is not None for result in cursor.results()]


def _on_sqlite(driver: Any, sql: str, rows: Sequence[Sequence[Any]]) -> list[bool]:
    driver.execute("PRAGMA query_only=OFF")  # who had this connection last may only have read
    driver.execute("BEGIN IMMEDIATE")
    new = [bool(driver.execute(sql, row).fetchall()) for row in rows]
    driver.execute("COMMIT")
    return new


def _tell(batch: Sequence[_Waiting], outcomes: Sequence[bool | NotStoredError]) -> None:
    """Wake those who wait, in one call for each loop."""
    for loop in {waiting.answer.get_loop() for waiting in batch}:
        mine = [
            (waiting.answer, outcome)
            for waiting, outcome in zip(batch, outcomes, strict=True)
            if waiting.answer.get_loop() is loop
        ]
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
