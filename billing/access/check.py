"""Find what is known of whoever asks, have it decided, and count what must be counted.

All of it may wait for the database; `billing.access.wall` answers from memory where it can, and
calls this in a thread where it cannot. Whoever has a right, and whoever opens an article again,
costs one statement; a free article one more, which counts and commits. Stripe is never asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from billing.access import break_glass, gift_links, meter
from billing.access.decide import (
    LAST_KNOWN,
    Decision,
    Facts,
    Flag,
    Opening,
    Policy,
    Right,
    decide,
)
from billing.access.provisional import let_in_and_look, may_be_owed
from billing.access.reasons import OF_SOURCE, Reason
from billing.clock import accounting_day, start_of_day
from billing.db import Instant
from billing.driver import Connection
from billing.models import Entitlement, EntitlementSource, Meter, Reader, WebSession
from billing.readers.meters import HASH, contains, meter_subject
from billing.settings import Settings
from billing.sign_in.secrets import hash_token

_EARLIER: Final = LAST_KNOWN + timedelta(days=8)  # an opening lasts a week at most
_REFUSED: Final = frozenset({Reason.LIMIT_REACHED, Reason.LOCKED})


@dataclass(slots=True)
class Question:
    """Who asks for what.

    Attributes:
        article: the paper's stable id of it.
        session_token: of the reader's cookie, or ''.
        visitor_cookie: as the browser brought it, or ''.
        counts: False where nobody reads yet: a prefetch, or a look at the headers alone.
        gift: the link by which somebody passed this very article on, as our own cookie says.
    """

    article: str
    session_token: str = ""
    visitor_cookie: str = ""
    counts: bool = True
    flag: Flag = Flag.METERED
    gift: UUID | None = None


@dataclass(slots=True)
class Answer:
    """A decision, and what the door needs to tell it.

    Attributes:
        signed_in: whether a reader asked, or a visitor.
        new_cookie: the cookie a new visitor must be given; '' for everybody else.
        drawn: whatever the door made of it and may use again; an answer is told many times.
    """

    decision: Decision
    signed_in: bool = False
    new_cookie: str = ""
    drawn: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Person:
    """What is known of whoever brought one cookie.

    Attributes:
        reader_id: None for a visitor.
        first: the hash of a visitor's first article, which waits in their cookie.
        articles: what the meter has counted, as its row says it.
        rights: a reader's, those that ended lately among them.
        until: when this must be found anew, since time alone may have changed it.
        looked: whether a look at Stripe, before refusing them, is out of the question until then.
        answers: those given before, while nothing has changed.
    """

    reader_id: UUID | None
    subject: str
    first: str
    articles: str
    rights: tuple[Right, ...]
    until: datetime
    looked: bool = False
    answers: dict[tuple[Flag, bool, bool], Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Case:
    """One question, and what it is asked under.

    Attributes:
        hashes: what is kept of articles in this window.
        openings: the staff's, that hold now or later.
    """

    settings: Settings
    question: Question
    window: meter.Window
    hashes: meter.Hashes
    openings: tuple[Opening, ...]
    now: datetime

    def policy_for(self, *, signed_in: bool) -> Policy:
        """Return what the paper has decided for readers, or for visitors."""
        return Policy(self.settings.paywall.limit_of(signed_in=signed_in))


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and who was found; nobody where somebody came for the first time."""

    answer: Answer
    person: Person | None


def openings_at(connection: Connection, now: datetime) -> tuple[Opening, ...]:
    """Return the staff's openings that hold now or will."""
    return tuple(Opening(*row) for row in connection.run(break_glass.STANDING, now=now))


def check(connection: Connection, case: Case, *, known: Person | None = None) -> Outcome:
    """Answer one question.

    Args:
        connection: the caller's own.
        case: the question.
        known: who asks, where that is remembered.

    Raises:
        DatabaseAwayError: the database does not answer.
    """
    person = replace(known) if known else find(connection, case)
    given = _given(connection, case)
    if person is None:
        return Outcome(meet(case, given), None)
    answer = answer_from(case, person, given)
    if not is_open(case, person, answer):
        return Outcome(answer, person)
    if answer.decision.reason is Reason.METERED:
        return _count(connection, case, person)
    return _look_before_refusing(connection, case, person)


def answer_from(case: Case, person: Person, given: tuple[Right, ...] = ()) -> Answer:
    """Return what is answered by what is known; `is_open` tells whether that may be told yet."""
    question = case.question
    read_before = bool(person.articles) and contains(
        person.articles, case.hashes.of(question.article)
    )
    key = (question.flag, read_before, question.counts)
    answer = None if given else person.answers.get(key)
    if answer is None:
        decision = _decide(case, person, given, read_before=read_before)
        answer = Answer(decision, person.reader_id is not None)
        if not given:
            person.answers[key] = answer
    return answer


def is_open(case: Case, person: Person, answer: Answer) -> bool:
    """Tell whether something must be written down before an answer is told.

    A free article must be counted; and a reader is not refused before we know that Stripe need not
    be looked at. Where nobody reads yet, neither is done.
    """
    reason = answer.decision.reason
    if reason is Reason.METERED:
        return case.question.counts
    refused = reason in _REFUSED and person.reader_id is not None
    return refused and case.question.counts and not person.looked


def find(connection: Connection, case: Case) -> Person | None:
    """Return who asks, from the database; None if nobody we know."""
    question = case.question
    if question.session_token:
        reader = _reader(connection, case, question.session_token)
        if reader is not None:
            return reader
    visitor = meter.read_cookie(case.settings, question.visitor_cookie, case.window)
    if visitor is None:
        return None
    rows = connection.run(_COUNTED, month=case.window.name, subject=visitor.subject)
    articles = rows[0][0] if rows else visitor.first
    until = _until(case, (), case.window.ends_at)
    return Person(None, visitor.subject, visitor.first, articles, (), until)


def _reader(connection: Connection, case: Case, token: str) -> Person | None:
    rows = connection.run(
        _READER,
        token=hash_token(token),
        month=case.window.name,
        since=case.now - _EARLIER,
    )
    if not rows or rows[0][1] <= case.now:
        return None
    reader_id, session_ends, articles = rows[0][:3]
    rights = tuple(_right(*row[3:]) for row in rows if row[3] is not None)
    until = _until(case, rights, min(session_ends, case.window.ends_at))
    return Person(reader_id, meter_subject(reader_id), "", articles or "", rights, until)


def _right(source: EntitlementSource, starts_at: datetime, ends_at: datetime | None) -> Right:
    return Right(OF_SOURCE[source], starts_at, ends_at)


def _until(case: Case, rights: Sequence[Right], latest: datetime) -> datetime:
    """Return the first instant at which any of this begins or ends."""
    dated = [
        *((right.starts_at, right.ends_at) for right in rights),
        *((opening.starts_at, opening.ends_at) for opening in case.openings),
    ]
    edges = (edge for both in dated for edge in both)
    return min((edge for edge in edges if edge and case.now < edge < latest), default=latest)


def _decide(case: Case, person: Person, given: tuple[Right, ...], *, read_before: bool) -> Decision:
    facts = Facts(
        (*person.rights, *given),
        used=meter.number_of(person.articles),
        read_before=read_before,
        window_ends=case.window.ends_at,
        flag=case.question.flag,
        counts=case.question.counts,
        openings=case.openings,
    )
    policy = case.policy_for(signed_in=person.reader_id is not None)
    return decide(facts, now=case.now, policy=policy)


def _given(connection: Connection, case: Case) -> tuple[Right, ...]:
    """Return the right a gift link gives, unless its giver has taken it back."""
    if case.question.gift is None:
        return ()
    rows = connection.run(gift_links.STILL_GOOD, link_id=case.question.gift)
    return tuple(
        Right(Reason.GIFT_LINK, case.window.starts_at, expires_at)
        for expires_at, revoked_at in rows
        if revoked_at is None
    )


def meet(case: Case, given: tuple[Right, ...] = ()) -> Answer:
    """Answer somebody who comes for the first time; who reads a free article is named in a cookie.

    The article waits in the cookie: whoever never brings it back is written down nowhere.
    """
    nobody = Person(None, "", "", "", (), case.window.ends_at)
    answer = answer_from(case, nobody, given)
    if answer.decision.reason is Reason.METERED and case.question.counts:
        visitor = meter.Visitor.meet(case.window, case.hashes.of(case.question.article))
        answer.new_cookie = meter.write_cookie(case.settings, visitor)
    return answer


def _look_before_refusing(connection: Connection, case: Case, person: Person) -> Outcome:
    reader_id = cast("UUID", person.reader_id)
    with connection.db.reading() as session:
        owed = may_be_owed(session, reader_id, now=case.now)
    if owed:
        with connection.db.unit_of_work() as session:
            let_in_and_look(session, reader_id, now=case.now)
        person = find(connection, case) or person
    tomorrow = start_of_day(accounting_day(case.now) + timedelta(days=1))
    person = replace(person, looked=True, until=min(person.until, tomorrow), answers={})
    answer = answer_from(case, person)
    if is_open(case, person, answer):
        return _count(connection, case, person)
    return Outcome(answer, person)


def _count(connection: Connection, case: Case, person: Person) -> Outcome:
    """Count an article, unless it would be one too many: one statement, which commits.

    The row decides, not what is remembered of it: of two requests at once the second finds what the
    first has counted.
    """
    policy = case.policy_for(signed_in=person.reader_id is not None)
    article = case.hashes.of(case.question.article)
    begins = person.first or article
    if begins != article and policy.limit > 1:
        begins += article
    [[articles]] = connection.commit(
        _COUNT_SQLITE if connection.db.is_sqlite else _COUNT_POSTGRESQL,
        month=case.window.name,
        subject=person.subject,
        begins=begins,
        article=article,
        most=policy.limit * HASH,
    )
    before = replace(person, articles=articles.removesuffix(article), answers={})
    answer = answer_from(case, before)
    after = replace(before, articles=articles, answers={})
    if answer.decision.reason in _REFUSED and is_open(case, after, answer):
        return _look_before_refusing(connection, case, after)  # somebody else's tab was quicker
    return Outcome(answer, after)


_NAME: Final = sa.literal("r:") + sa.func.replace(
    sa.cast(WebSession.reader_id, sa.String), sa.literal("-"), sa.literal("")
)
_READER: Final = (
    sa.select(
        WebSession.reader_id,
        WebSession.expires_at,
        Meter.articles,
        Entitlement.source,
        Entitlement.starts_at,
        Entitlement.ends_at,
    )
    .select_from(WebSession)
    .join(Reader, Reader.id == WebSession.reader_id)
    .outerjoin(
        Meter,
        sa.and_(Meter.window == sa.bindparam("month", type_=sa.String), Meter.subject == _NAME),
    )
    .outerjoin(
        Entitlement,
        sa.and_(
            Entitlement.reader_id == Reader.id,
            Entitlement.superseded_at.is_(None),
            sa.or_(
                Entitlement.ends_at.is_(None),
                Entitlement.ends_at > sa.bindparam("since", type_=Instant()),
            ),
        ),
    )
    .where(
        WebSession.token_hash == sa.bindparam("token", type_=sa.String),
        Reader.merged_into.is_(None),
    )
)
_COUNTED: Final = sa.select(Meter.articles).where(
    Meter.window == sa.bindparam("month", type_=sa.String),
    Meter.subject == sa.bindparam("subject", type_=sa.String),
)


def _counting(insert: Any, position: Any) -> Any:
    """Begin somebody's row, or add to it where there is room and the article is new to it.

    The row is locked meanwhile, so that whoever comes second sees what the first has written.
    """
    article = sa.bindparam("article", type_=sa.Text)
    room = sa.func.length(Meter.articles) < sa.bindparam("most", type_=sa.Integer)
    grown = sa.case(
        (sa.and_(room, position(Meter.articles, article) == 0), Meter.articles + article),
        else_=Meter.articles,
    )
    begun = insert(Meter).values(
        window=sa.bindparam("month", type_=sa.String),
        subject=sa.bindparam("subject", type_=sa.String),
        articles=sa.bindparam("begins", type_=sa.Text),
    )
    return begun.on_conflict_do_update(
        index_elements=[Meter.window, Meter.subject], set_={"articles": grown}
    ).returning(Meter.articles)


_COUNT_SQLITE: Final = _counting(sqlite_insert, sa.func.instr)
_COUNT_POSTGRESQL: Final = _counting(postgresql_insert, sa.func.strpos)
