"""The wall of one web process: answers from memory where it can, and asks the database where not.

What is remembered is used only while we know that we hear of every change (`changes.STALE`).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from billing.access import basis as bases
from billing.access.basis import Basis
from billing.access.case import Answer, Case, Outcome, Question
from billing.access.changes import STALE, Changes
from billing.access.check import FREE, answer_from, check, glance, meet, unsettled
from billing.access.decide import Flag, decide_blindly
from billing.access.finder import Finder
from billing.access.memory import Look, Memory
from billing.access.outage import Outage, tell_staff
from billing.access.passes import Passes
from billing.access.threads import Threads
from billing.db import Database
from billing.driver import Connection, DatabaseAwayError, DatabaseBusyError
from billing.settings import Settings

MayRead = Callable[[], bool]  # whether somebody may read while nothing can be looked up

_STATEMENT: Final = 0.8  # seconds one may take: less than half of what anybody waits
_TELL_AGAIN: Final = 5.0  # seconds until the staff are told, where they could not be


_T = TypeVar("_T")

_log = structlog.get_logger(__name__)


class Wall:
    """One process's.

    Attributes:
        passes: what gives and reads reader passes.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db.in_haste(_STATEMENT)
        self._settings = settings
        self._memory = Memory()
        self._threads = Threads(self._db)
        self._finder = Finder(self._db, self._threads)
        self._outage = Outage()
        self._basis: Basis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changes: Changes | None = None
        self._heard_until = float("-inf")  # on the monotonic clock
        self._telling: set[asyncio.Task[None]] = set()
        self.passes = Passes(settings, None)

    def recall(self, question: Question, *, now: datetime) -> Answer | None:
        """Answer from memory; None where the database must be asked."""
        if question.flag is Flag.FREE:
            return FREE
        basis = self._fresh(now)
        if basis is None:
            return None
        case = Case(self._settings, question, basis, now)
        if question.gift is None and self._memory.is_stranger(question):
            return meet(case)
        person = self._memory.get(question)
        if person is None or person.until <= now:
            return None
        answer = answer_from(case, person)
        if question.gift is not None and not answer.decision.granted:
            return None
        return None if unsettled(case, person, answer) else answer

    async def ask(self, question: Question, *, now: datetime, may_read: MayRead) -> Answer:
        """Answer with the database's help; without it, as `may_read` says."""
        self._begin()
        with self._memory.looking() as look:
            outcome = await self._tried(self._look_up(question, look, now), now)
            if outcome is None:
                return self._blindly(question, may_read)
            if look.may_keep(outcome.person):
                self._memory.keep(question, outcome.person)
        return outcome.answer

    async def ask_all(
        self, questions: Sequence[Question], *, now: datetime, may_read: MayRead
    ) -> list[Answer]:
        """Answer one person's questions, none of which counts, by one look at most."""
        self._begin()
        recalled = [self.recall(question, now=now) for question in questions]
        left = [each for each, answer in zip(questions, recalled, strict=True) if answer is None]
        looked: list[Answer] | None = []
        if left:
            with self._memory.looking() as look:
                looked = await self._tried(self._glance(left, look, now), now)
        if looked is None:
            looked = [self._blindly(question, may_read) for question in left]
        found = iter(looked)
        return [next(found) if answer is None else answer for answer in recalled]

    def close(self) -> None:
        """Stop hearing and asking."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None
        self._threads.close()
        self._finder.close()
        self._db.close()

    async def _look_up(self, question: Question, look: Look, now: datetime) -> Outcome:
        basis = await self._basis_at(look, now)
        case = Case(self._settings, question, basis, now)
        known = self._memory.get(question) if self._fresh(now) else None
        if known is not None and known.until <= now:
            known = None
        if known is None and question.session_token:
            known = await self._finder.find(case)
            if known is None:  # nobody's session: who brings it is a visitor
                case.question = replace(question, session_token="")
            elif question.gift is None:
                answer = answer_from(case, known)
                if not unsettled(case, known, answer):
                    return Outcome(answer, known)
        return await self._threads.run(partial(check, case=case, known=known))

    async def _glance(
        self, questions: Sequence[Question], look: Look, now: datetime
    ) -> list[Answer]:
        basis = await self._basis_at(look, now)
        cases = [Case(self._settings, question, basis, now) for question in questions]
        return await self._threads.run(partial(glance, cases=cases))

    async def _basis_at(self, look: Look, now: datetime) -> Basis:
        basis = self._fresh(now)
        if basis is not None:
            return basis
        load = partial(_load, settings=self._settings, now=now)
        loaded = await self._threads.run(load)
        if self._basis is None or self._basis.keys != loaded.keys:
            self.passes = Passes(self._settings, loaded.keys)
        if not look.everybody:
            self._basis = loaded
        return loaded

    async def _tried(self, work: Coroutine[Any, Any, _T], now: datetime) -> _T | None:
        """Do something that asks the database; None where it did not answer."""
        if self._outage.keeps_out():
            work.close()
            return None
        try:
            found = await work
        except (DatabaseAwayError, DatabaseBusyError) as error:
            self._outage.began(error, away=isinstance(error, DatabaseAwayError), now=now)
            return None
        if self._outage.since is not None and not self._telling:
            self._tell_of_outage(now)
        return found

    def _fresh(self, now: datetime) -> Basis | None:
        """Return what concerns everybody, while that and all that is remembered may be used."""
        basis = self._basis
        if basis is None or time.monotonic() - self._heard_until > STALE or not basis.holds(now):
            return None
        return basis

    def _blindly(self, question: Question, may_read: MayRead) -> Answer:
        decision = decide_blindly(question.flag, opens=may_read())
        self._outage.told[decision.reason] += 1
        return Answer(decision, signed_in=bool(question.session_token))

    def _tell_of_outage(self, now: datetime) -> None:
        """Have the staff told beside the answers, for which nobody need wait."""
        task = asyncio.get_running_loop().create_task(self._tell(self._outage.ended(), now))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, past: Outage, now: datetime) -> None:
        def tell(connection: Connection) -> None:
            with connection.db.unit_of_work() as session:
                tell_staff(session, past, now=now)

        try:
            await self._threads.run(tell)
        except Exception as error:  # noqa: BLE001  # the next answer tells of it again
            _log.error("the staff were not told of an outage", error=type(error).__name__)
            self._outage.again(past)
            await asyncio.sleep(_TELL_AGAIN)

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
        self._basis = None


def _load(connection: Connection, settings: Settings, now: datetime) -> Basis:
    return bases.load(connection.db, settings, now=now)
