"""The wall of one web process: answers from memory where it can, and asks the database where not.

What is remembered is used only while we know that we hear of every change (`changes.STALE`).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from billing.access import passes
from billing.access.changes import STALE, Changes
from billing.access.check import (
    Answer,
    Case,
    Outcome,
    Person,
    Question,
    answer_from,
    check,
    is_open,
    meet,
    openings_at,
)
from billing.access.decide import Flag, Opening, decide_blindly
from billing.access.memory import Look, Memory
from billing.access.meter import Calendar
from billing.access.outage import Outage
from billing.access.passes import Passes
from billing.access.threads import Threads
from billing.db import Database
from billing.driver import Connection, DatabaseAwayError, DatabaseBusyError
from billing.settings import Settings

WhenDown = Callable[[], bool]  # whether somebody may read while nothing can be looked up

_log = structlog.get_logger(__name__)

_FREE: Final = Answer(decide_blindly(Flag.FREE, opens=True))


@dataclass(frozen=True, slots=True)
class Common:
    """What concerns everybody: the staff's openings, and the keys of reader passes."""

    openings: tuple[Opening, ...]
    keys: tuple[int, ...]


class Wall:
    """One process's.

    Attributes:
        passes: what gives and reads reader passes.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._calendar = Calendar(settings)
        self._memory = Memory()
        self._threads = Threads(db)
        self._outage = Outage()
        self._common: Common | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changes: Changes | None = None
        self._heard_until = float("-inf")  # on the monotonic clock
        self.passes = Passes(settings, (1,))

    def recall(self, question: Question, *, now: datetime) -> Answer | None:
        """Answer from memory; None where the database must be asked."""
        if question.flag is Flag.FREE:
            return _FREE
        if self._common is None or time.monotonic() - self._heard_until > STALE:
            return None
        case = self._case(question, self._common, now)
        if not question.session_token and not question.visitor_cookie and question.gift is None:
            return meet(case)
        person = self._memory.get(_cookie(question))
        if person is None or person.until <= now:
            return None
        answer = answer_from(case, person)
        if question.gift is not None and not answer.decision.granted:
            return None
        return None if is_open(case, person, answer) else answer

    async def ask(self, question: Question, *, now: datetime, may_read: WhenDown) -> Answer:
        """Answer with the database's help; without it, as `may_read` says."""
        self._begin()
        if self._outage.keeps_out():
            return self._blindly(question, may_read)
        with self._memory.looking() as look:
            known = self._memory.get(_cookie(question))
            if known is not None and (known.until <= now or not self._is_fresh()):
                known = None
            work = partial(self._look_up, question, known, now)
            try:
                outcome, common = await self._threads.run(work)
            except DatabaseAwayError as error:
                self._outage.began(error, now=now)
                return self._blindly(question, may_read)
            except DatabaseBusyError as error:
                _log.error("the wall was not answered", error=str(error))
                return self._blindly(question, may_read)
            if not look.everybody:
                self._remember(common)
            self._keep(question, outcome.person, look)
        if self._outage.since is not None:
            await self._tell_of_outage(now)
        return outcome.answer

    def close(self) -> None:
        """Stop hearing and asking."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None
        self._threads.close()

    def _is_fresh(self) -> bool:
        return self._common is not None and time.monotonic() - self._heard_until <= STALE

    def _case(self, question: Question, common: Common, now: datetime) -> Case:
        window, hashes = self._calendar.at(now)
        return Case(self._settings, question, window, hashes, common.openings, now)

    def _look_up(
        self, question: Question, known: Person | None, now: datetime, connection: Connection
    ) -> tuple[Outcome, Common]:
        """Answer one question, in a thread that may wait."""
        common = self._common
        if common is None or not self._is_fresh():
            with connection.db.reading() as session:
                common = Common(openings_at(connection, now), passes.numbers(session))
        return check(connection, self._case(question, common, now), known=known), common

    def _remember(self, common: Common) -> None:
        if self._common is None or self._common.keys != common.keys:
            self.passes = Passes(self._settings, common.keys)
        self._common = common

    def _keep(self, question: Question, person: Person | None, look: Look) -> None:
        """Remember who was found, unless that may be old, or anybody could make it up."""
        if person is None or not look.may_keep(person):
            return
        if person.reader_id is not None or not question.session_token:
            self._memory.keep(_cookie(question), person)

    def _blindly(self, question: Question, may_read: WhenDown) -> Answer:
        decision = decide_blindly(question.flag, opens=may_read())
        self._outage.told(decision.reason)
        return Answer(decision, signed_in=bool(question.session_token))

    async def _tell_of_outage(self, now: datetime) -> None:
        outage = self._outage

        def tell(connection: Connection) -> None:
            with connection.db.unit_of_work() as session:
                outage.tell_staff(session, now=now)

        try:
            await self._threads.run(tell)
        except Exception as error:  # noqa: BLE001  # the next answer tells of it again
            _log.error("the staff were not told of an outage", error=type(error).__name__)
        else:
            outage.ended()

    def _begin(self) -> None:
        """Hear of changes, in whichever loop asks."""
        loop = asyncio.get_running_loop()
        if self._loop is loop and self._changes is not None:
            return
        if self._changes is not None:
            self._changes.close()
        self._loop, self._heard_until = loop, float("-inf")
        self._forget_all()

        def pass_on(subjects: list[str], until: float) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(self._hear, loop, subjects, until)

        self._changes = Changes(self._db, pass_on)

    def _hear(self, loop: asyncio.AbstractEventLoop, subjects: list[str], until: float) -> None:
        if loop is not self._loop:
            return
        for subject in subjects:
            try:
                self._memory.forget(UUID(subject))
            except ValueError:  # everybody, or a word of a later release
                self._forget_all()
        self._heard_until = until

    def _forget_all(self) -> None:
        self._memory.forget_everybody()
        self._common = None


def _cookie(question: Question) -> str:
    """Return what somebody is remembered by: all they brought, so that no two are ever mixed up."""
    return f"{question.session_token} {question.visitor_cookie}"
