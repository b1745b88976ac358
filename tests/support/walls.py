"""Walls of web processes: each with a loop of its own, as a process has."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from billing.access import Answer, Question, Reason
from billing.access.wall import Wall
from billing.db import Database
from billing.settings import Settings

T = TypeVar("T")


class Process:
    """A wall, and the loop it answers in."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.loop = asyncio.new_event_loop()
        self.wall = Wall(db, settings)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def answer(
        self, question: Question, *, now: datetime | None = None, opens: bool = True
    ) -> Answer:
        """Answer as the door does."""
        at = now or datetime.now(UTC)

        async def asked() -> Answer:
            remembered = self.wall.recall(question, now=at)
            return remembered or await self.wall.ask(question, now=at, may_read=lambda: opens)

        return self.run(asked())

    def reason(self, question: Question, **how: Any) -> Reason:
        return self.answer(question, **how).decision.reason

    def remembers(self, question: Question, *, now: datetime | None = None) -> bool:
        """Tell whether the question is answered without the database; a look is no reading."""
        at = now or datetime.now(UTC)

        async def recalled() -> bool:
            return self.wall.recall(replace(question), now=at) is not None

        return self.run(recalled())

    def close(self) -> None:
        self.wall.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@contextmanager
def process(db: Database, settings: Settings) -> Iterator[Process]:
    """Run one for a while."""
    running = Process(db, settings)
    try:
        yield running
    finally:
        running.close()
