"""The wall of a web process: from memory where it may, and never on what has changed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from billing import access, readers, sign_in
from billing.access import Flag, Question, Reason, break_glass
from billing.access.changes import STALE
from billing.db import Database
from billing.models import EntitlementSource, Meter, OpenTo, Reader
from billing.readers.meters import HASH
from billing.settings import Paywall, Settings
from tests.support.waiting import until
from tests.support.walls import Process, process

COMP = EntitlementSource.COMP


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three free articles, so that the wall is soon met."""
    return settings.model_copy(update={"paywall": Paywall(limit=3)})


@pytest.fixture
def web(db: Database, settings: Settings) -> Iterator[Process]:
    with process(db, settings) as running:
        yield running


@pytest.fixture
def other(db: Database, settings: Settings) -> Iterator[Process]:
    """A second web process on the same database."""
    with process(db, settings) as running:
        yield running


def now() -> datetime:
    return datetime.now(UTC)


def a_reader(db: Database) -> tuple[UUID, str]:
    """Return somebody who is signed in, and the cookie of their browser."""
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now())
        return reader.id, sign_in.begin_session(session, reader_id=reader.id, now=now())


def give(db: Database, reader_id: UUID, name: str = "", *, days: float = 30) -> str:
    name = name or uuid4().hex
    term = access.Term(now() - timedelta(days=1), now() + timedelta(days=days), "given")
    with db.unit_of_work() as session:
        access.grant(
            session, reader_id=reader_id, source=COMP, source_id=name, term=term, now=now()
        )
    return name


def read_to_the_limit(web: Process, cookie: str) -> Question:
    """Read as a signed-in reader until refused; return the question that is."""
    for article in "abc":
        assert web.reason(Question(article, cookie)) is Reason.METERED
    refused = Question("d", cookie)
    assert web.reason(refused) is Reason.LIMIT_REACHED
    until(lambda: web.reason(refused) is Reason.LIMIT_REACHED and web.remembers(refused))
    return refused


def counted(db: Database) -> int:
    with db.reading() as session:
        return (session.scalar(sa.select(sa.func.sum(sa.func.length(Meter.articles)))) or 0) // HASH


def test_a_subscriber_a_refused_reader_and_an_article_read_before_are_answered_from_memory(
    db: Database, web: Process
) -> None:
    subscriber, theirs = a_reader(db)
    give(db, subscriber)
    _, free = a_reader(db)
    refused = read_to_the_limit(web, free)
    asked = [Question("x", theirs), refused, Question("a", free)]
    assert [web.reason(each) for each in asked] == [
        Reason.COMP,
        Reason.LIMIT_REACHED,
        Reason.REREAD,
    ]
    until(lambda: all(web.reason(each) and web.remembers(each) for each in asked))
    assert not web.remembers(Question("new", a_reader(db)[1]))


def test_what_is_answered_from_memory_is_what_the_database_would_have_said(
    db: Database, web: Process, settings: Settings
) -> None:
    _, cookie = a_reader(db)
    refused = read_to_the_limit(web, cookie)
    at = now()
    with process(db, settings) as fresh:
        for question in (refused, Question("a", cookie), Question("a", cookie, counts=False)):
            assert web.answer(question, now=at).decision == fresh.answer(question, now=at).decision


def test_a_grant_and_its_end_are_seen_by_every_process_within_a_second(
    db: Database, web: Process, other: Process
) -> None:
    reader_id, cookie = a_reader(db)
    refused = read_to_the_limit(web, cookie)
    assert other.reason(refused) is Reason.LIMIT_REACHED
    until(lambda: other.answer(refused) is not None and other.remembers(refused))

    name = give(db, reader_id)
    for each in (web, other):
        until(lambda each=each: each.reason(refused) is Reason.COMP, seconds=STALE)  # type: ignore[misc]

    with db.unit_of_work() as session:
        access.revoke(session, source=COMP, source_id=name, now=now())
    for each in (web, other):
        until(lambda each=each: each.reason(refused) is Reason.LIMIT_REACHED, seconds=STALE)  # type: ignore[misc]


@pytest.mark.parametrize("how", ["signed out", "proved by its owner", "opened to all"])
def test_whatever_changes_who_may_read_is_heard_of(
    db: Database, web: Process, other: Process, how: str
) -> None:
    reader_id, cookie = a_reader(db)
    give(db, reader_id)
    question = Question("x", cookie)
    for each in (web, other):
        until(lambda each=each: each.reason(question) and each.remembers(question))  # type: ignore[misc]
    with db.unit_of_work() as session:
        if how == "signed out":
            sign_in.end_session(session, cookie)
            wanted = Reason.METERED
        elif how == "proved by its owner":
            session.get_one(Reader, reader_id).email = "rosa@example.org"
            session.flush()
            readers.verify_and_merge(session, "rosa@example.org", now=now())
            wanted = Reason.METERED
        else:
            break_glass.open_paper(
                session, open_to=OpenTo.EVERYONE, hours=1, reason="x", actor="cli", now=now()
            )
            question, wanted = Question("x", visitor_cookie="new"), Reason.BREAK_GLASS
    for each in (web, other):
        until(lambda each=each: each.reason(question) is wanted, seconds=STALE)  # type: ignore[misc]


def test_nothing_is_remembered_while_nobody_hears_of_changes(
    db: Database, web: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader_id, cookie = a_reader(db)
    give(db, reader_id)
    question = Question("x", cookie)
    until(lambda: web.answer(question) is not None and web.remembers(question))
    assert web.wall._changes is not None
    web.wall._changes._stop.set()  # as if its connection had died without a word
    until(lambda: not web.remembers(question), seconds=3 * STALE)
    assert web.reason(question) is Reason.COMP


def test_a_right_that_ends_while_it_is_remembered_ends_at_its_instant(
    db: Database, web: Process
) -> None:
    reader_id, cookie = a_reader(db)
    give(db, reader_id, days=0.5)
    question = Question("x", cookie)
    until(lambda: web.answer(question) is not None and web.remembers(question))
    assert web.answer(question).decision.valid_until is not None
    ends = web.answer(question).decision.valid_until or now()
    assert web.reason(question, now=ends - timedelta(microseconds=1)) is Reason.COMP
    assert web.reason(question, now=ends) is Reason.METERED


def test_a_session_that_ends_while_it_is_remembered_signs_nobody_in(
    db: Database, web: Process
) -> None:
    reader_id, cookie = a_reader(db)
    give(db, reader_id, days=365)
    question = Question("x", cookie)
    assert web.reason(question) is Reason.COMP
    later = now() + sign_in.READER_LASTS + timedelta(seconds=1)
    assert web.reason(question, now=later) is Reason.METERED


def test_at_londons_midnight_what_was_read_is_forgotten_by_memory_too(
    db: Database, web: Process
) -> None:
    _, cookie = a_reader(db)
    refused = read_to_the_limit(web, cookie)
    following = access.window_of(now()).ends_at
    before = following - timedelta(microseconds=1)
    assert web.reason(refused, now=before) is Reason.LIMIT_REACHED
    assert web.reason(refused, now=following) is Reason.METERED


def test_a_process_that_remembers_less_than_another_has_counted_lets_nobody_read_more(
    db: Database, web: Process, other: Process
) -> None:
    _, cookie = a_reader(db)
    assert web.reason(Question("a", cookie)) is Reason.METERED
    assert other.reason(Question("b", cookie)) is Reason.METERED
    reasons = [
        each.reason(Question(article, cookie))
        for each, article in ((web, "c"), (other, "d"), (web, "e"), (other, "c"), (web, "d"))
    ]
    assert reasons == [
        Reason.METERED,
        Reason.LIMIT_REACHED,
        Reason.LIMIT_REACHED,
        Reason.REREAD,
        Reason.LIMIT_REACHED,
    ]
    assert counted(db) == 3


def test_of_many_articles_opened_at_once_in_two_processes_no_more_are_free_than_the_limit(
    db: Database, web: Process, other: Process
) -> None:
    _, cookie = a_reader(db)
    together = threading.Barrier(12)

    def open_one(number: int) -> Reason:
        together.wait()
        return (web, other)[number % 2].reason(Question(f"article-{number}", cookie))

    with ThreadPoolExecutor(12) as pool:
        reasons = list(pool.map(open_one, range(12)))
    assert reasons.count(Reason.METERED) == 3
    assert reasons.count(Reason.LIMIT_REACHED) == 9
    assert counted(db) == 3


def test_a_reader_may_have_a_limit_of_their_own(db: Database, settings: Settings) -> None:
    generous = settings.model_copy(update={"paywall": Paywall(limit=1, reader_limit=4)})
    _, cookie = a_reader(db)
    with process(db, generous) as web:
        signed_in = [web.reason(Question(article, cookie)) for article in "abcde"]
        first = web.answer(Question("a"))
        visitor = web.reason(Question("b", visitor_cookie=first.new_cookie))
    assert signed_in == [*[Reason.METERED] * 4, Reason.LIMIT_REACHED]
    assert (first.decision.reason, visitor) == (Reason.METERED, Reason.LIMIT_REACHED)


def test_a_locked_article_is_for_those_with_a_right_and_a_free_one_for_all(
    db: Database, web: Process
) -> None:
    reader_id, cookie = a_reader(db)
    assert web.reason(Question("a", cookie, flag=Flag.LOCKED)) is Reason.LOCKED
    assert web.reason(Question("a", cookie, flag=Flag.FREE)) is Reason.FREE
    assert web.reason(Question("a", flag=Flag.LOCKED)) is Reason.LOCKED
    assert counted(db) == 0
    give(db, reader_id)
    until(lambda: web.reason(Question("a", cookie, flag=Flag.LOCKED)) is Reason.COMP)


def test_two_people_with_one_dead_session_cookie_are_two_at_the_meter(
    db: Database, web: Process
) -> None:
    first, second = (web.answer(Question("a", "dead")).new_cookie for _ in range(2))
    for article in "bcd":
        web.answer(Question(article, "dead", first))
    assert web.reason(Question("e", "dead", first)) is Reason.LIMIT_REACHED
    assert web.reason(Question("e", "dead", second)) is Reason.METERED
