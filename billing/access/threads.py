"""A few threads, each with a connection of its own, that ask the database for the event loop.

Nobody waits longer than a stated time: a database that hangs holds up the thread that asked it, and
nobody else. The threads end with the process, whatever they wait for.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from billing.db import Database
from billing.driver import Connection, DatabaseAwayError, DatabaseBusyError
from billing.errors import BillingError

PATIENCE: Final = 2.0  # seconds an answer may take
THREADS: Final = 2  # more would hand the interpreter about; SQLite has one writer anyway
_ENDING: Final = 1.0  # seconds they may still take when we are asked to stop
_MOST_WAITING: Final = 2000  # questions; more, and we answer as if the database were away

_T = TypeVar("_T")
_Work = Callable[[Connection], Any]


class Threads:
    """Threads that are begun by the first question."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._line: SimpleQueue[tuple[_Work, asyncio.Future[Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._answered = 0.0  # when the database last did anything for us

    async def run(self, work: Callable[[Connection], _T]) -> _T:
        """Do something with a thread's connection, and wait for it.

        Raises:
            DatabaseAwayError: the database cannot be reached, or answers nobody.
            DatabaseBusyError: it answers others, and this was not done, or not in time.
        """
        if not self._threads:
            self._begin()
        if self._line.qsize() > _MOST_WAITING:
            raise DatabaseBusyError("too many questions wait")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        late = loop.call_later(PATIENCE, self._give_up, answer, time.monotonic())
        self._line.put((work, answer))
        try:
            return await answer
        finally:
            late.cancel()

    def close(self) -> None:
        """Let every thread go once it is done; one that waits for the database is left behind."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._line.put(None)
        deadline = time.monotonic() + _ENDING
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _begin(self) -> None:
        # Daemons: a database that hangs must not keep a process that was asked to stop.
        self._threads = [
            threading.Thread(target=self._keep_on, name=f"wall-{number}", daemon=True)
            for number in range(1 if self._db.is_sqlite else THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def _keep_on(self) -> None:
        with Connection(self._db) as connection:
            while (asked := self._line.get()) is not None:
                work, answer = asked
                if answer.done():  # whoever asked has been told something else meanwhile
                    continue
                self._do(work, connection, answer)

    def _give_up(self, answer: asyncio.Future[Any], asked: float) -> None:
        if not answer.done():  # where somebody else was answered meanwhile, the database is there
            kind = DatabaseBusyError if self._answered > asked else DatabaseAwayError
            answer.set_exception(kind("no answer in time"))

    def _do(self, work: _Work, connection: Connection, answer: asyncio.Future[Any]) -> None:
        found: Any = None
        error: Exception | None = None
        try:
            found = work(connection)
            self._answered = time.monotonic()
        except (InterfaceError, OperationalError, PoolTimeoutError) as failed:
            error = _kind_of(failed)
        except BillingError as told:
            error = told
        except Exception as other:  # noqa: BLE001  # whoever asked is told, and the thread goes on
            error = other
        if isinstance(error, DatabaseBusyError):  # a refusal is an answer too
            self._answered = time.monotonic()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            answer.get_loop().call_soon_threadsafe(_tell, answer, found, error)


def _kind_of(failed: SQLAlchemyError) -> BillingError:
    """Tell a database that is gone from one that was asked too much."""
    lost = not isinstance(failed, DBAPIError) or failed.connection_invalidated
    kind = DatabaseAwayError if lost else DatabaseBusyError
    return kind(type(failed).__name__)


def _tell(answer: asyncio.Future[Any], found: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(found)
