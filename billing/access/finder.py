"""Finds readers for the event loop: those who ask in one turn of it, by one statement.

A question to the database costs more in handing it to a thread and back than in the database; so
while all threads are busy, those who ask gather for the next statement. SQLite answers sooner than
a thread could be woken, and is asked here and now.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from billing.access.case import Case, Person
from billing.access.lookup import find_reader, find_readers
from billing.access.threads import THREADS, Threads
from billing.db import Database
from billing.driver import Connection

_MOST: Final = 16  # readers of one statement


@dataclass(slots=True)
class _Waiting:
    """One question, and where somebody waits for whom it comes from."""

    case: Case
    found: asyncio.Future[Person | None]


class Finder:
    """One process's."""

    def __init__(self, db: Database, threads: Threads) -> None:
        self._here = Connection(db) if db.is_sqlite else None
        self._threads = threads
        self._coming: list[_Waiting] = []
        self._running = 0

    async def find(self, case: Case) -> Person | None:
        """Return the reader whose session a question brings; None if it is nobody's.

        Raises:
            DatabaseAwayError: the database cannot be reached.
            DatabaseBusyError: it did not answer.
        """
        if self._here is not None:
            return find_reader(self._here, case)
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Person | None] = loop.create_future()
        if not self._coming:
            loop.call_soon(self._send)
        self._coming.append(_Waiting(case, found))
        return await found

    def close(self) -> None:
        """Let go of the connection."""
        if self._here is not None:
            self._here.close()

    def _send(self) -> None:
        while self._coming and self._running < THREADS:
            # Those of one window: at the end of a month there are two for a moment.
            basis = self._coming[0].case.basis
            batch = [each for each in self._coming if each.case.basis is basis][:_MOST]
            self._coming = [each for each in self._coming if each not in batch]
            self._running += 1
            task = asyncio.ensure_future(
                self._threads.run(partial(find_readers, cases=[each.case for each in batch]))
            )
            task.add_done_callback(partial(self._tell, batch))

    def _tell(self, batch: list[_Waiting], task: asyncio.Task[list[Person | None]]) -> None:
        self._running -= 1
        error = None if task.cancelled() else task.exception()
        people = [None] * len(batch) if error or task.cancelled() else task.result()
        for each, person in zip(batch, people, strict=True):
            if each.found.done():  # whoever asked has gone
                continue
            if error is not None:
                each.found.set_exception(error)
            else:
                each.found.set_result(person)
        self._send()
