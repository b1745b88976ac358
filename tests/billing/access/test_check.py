"""The wall against people: counted once, never by the client, and never beyond the limit."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from billing import access, readers, sign_in
from billing.access import Answer, Question, Reason
from billing.access.meter import Hashes, Visitor, write_cookie
from billing.db import Database
from billing.models import EntitlementSource, Meter, MeterKey, MeterRead
from billing.readers.meters import HASH
from billing.settings import Paywall, Settings
from tests.support.asking import ask_the_wall


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three free articles, so that the wall is soon met."""
    return settings.model_copy(update={"paywall": Paywall(limit=3)})


@dataclass
class Browser:
    """Keeps the cookies it is given, as browsers do."""

    db: Database
    settings: Settings
    visitor: str = ""
    reader: str = ""
    answers: list[Answer] = field(default_factory=list)

    def open(self, article: str, now: datetime, *, counts: bool = True) -> Reason:
        question = Question(article, self.reader, self.visitor, counts=counts)
        answer = ask_the_wall(self.db, self.settings, question, now=now)
        self.visitor = answer.new_cookie or self.visitor
        self.answers.append(answer)
        return answer.decision.reason

    @property
    def used(self) -> int | None:
        meter = self.answers[-1].decision.meter
        return None if meter is None else meter.used


@pytest.fixture
def browser(db: Database, settings: Settings) -> Browser:
    return Browser(db, settings)


def rows(db: Database) -> int:
    with db.reading() as session:
        return (session.scalar(sa.select(sa.func.sum(sa.func.length(Meter.articles)))) or 0) // HASH


def sign_in_as_new_reader(db: Database, browser: Browser, now: datetime) -> str:
    """Sign a browser in; return the reader's subject at the meter."""
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        browser.reader = sign_in.begin_session(session, reader_id=reader.id, now=now)
    return readers.meter_subject(reader.id)


def give_right(db: Database, browser: Browser, now: datetime) -> None:
    """Sign a browser in as a reader with a right to read."""
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        browser.reader = sign_in.begin_session(session, reader_id=reader.id, now=now)
        access.grant(
            session,
            reader_id=reader.id,
            source=EntitlementSource.SUBSCRIPTION,
            source_id="one",
            term=access.Term(now, now + timedelta(days=30), "Subscription"),
            now=now,
        )


def test_three_articles_are_free_the_fourth_meets_the_wall_and_old_ones_stay_open(
    browser: Browser, now: datetime
) -> None:
    assert [browser.open(article, now) for article in "abcdadd"] == [
        Reason.METERED,
        Reason.METERED,
        Reason.METERED,
        Reason.LIMIT_REACHED,
        Reason.REREAD,
        Reason.LIMIT_REACHED,
        Reason.LIMIT_REACHED,
    ]
    assert browser.used == 3


def test_the_first_article_is_counted_only_when_the_cookie_comes_back(
    db: Database, browser: Browser, now: datetime
) -> None:
    assert browser.open("a", now) is Reason.METERED
    assert (browser.used, rows(db)) == (1, 0)
    assert browser.open("a", now) is Reason.REREAD
    assert (browser.used, rows(db)) == (1, 0)
    assert browser.open("b", now) is Reason.METERED
    assert (browser.used, rows(db)) == (2, 2)


def test_a_cookie_is_given_once(browser: Browser, now: datetime) -> None:
    for article in "abcd":
        browser.open(article, now)
    assert [bool(answer.new_cookie) for answer in browser.answers] == [True, False, False, False]


def test_a_client_that_never_returns_its_cookie_writes_nothing(
    db: Database, settings: Settings, now: datetime
) -> None:
    for article in "abcdefgh":
        assert Browser(db, settings).open(article, now) is Reason.METERED
    assert rows(db) == 0


def test_throwing_the_history_away_but_keeping_the_first_cookie_wins_nothing(
    browser: Browser, now: datetime
) -> None:
    browser.open("a", now)
    first = browser.visitor
    for article in "bcde":
        browser.visitor = first
        browser.open(article, now)
    assert browser.answers[-1].decision.reason is Reason.LIMIT_REACHED
    assert browser.used == 3


@pytest.mark.parametrize("how", ["garbage", "shortened", "other key", "swapped", "empty list"])
def test_a_cookie_that_is_not_ours_is_a_new_visitor(
    db: Database, settings: Settings, browser: Browser, now: datetime, how: str
) -> None:
    for article in "abc":
        browser.open(article, now)
    value, _, signature = browser.visitor.rpartition(".")
    other = settings.model_copy(update={"secret_key": settings.secret_key.__class__("k" * 40)})
    stranger = Browser(db, other)
    stranger.open("a", now)
    forged = {
        "garbage": "\x00é{}; visitor",
        "shortened": browser.visitor[:-1],
        "other key": stranger.visitor,
        "swapped": f"{value[:-2]}AA.{signature}",
        "empty list": "W10.x",
    }[how]
    browser.visitor = forged
    assert browser.open("d", now) is Reason.METERED
    assert browser.used == 1
    assert browser.visitor != forged


def test_what_only_prepares_a_page_is_answered_but_neither_counted_nor_known(
    db: Database, browser: Browser, now: datetime
) -> None:
    assert browser.open("a", now, counts=False) is Reason.PREPARED
    assert browser.visitor == ""
    for article in "abc":
        browser.open(article, now)
    assert browser.open("d", now, counts=False) is Reason.LIMIT_REACHED
    assert rows(db) == 3


def test_a_free_reader_who_signed_in_is_counted_under_their_own_name(
    db: Database, browser: Browser, now: datetime
) -> None:
    subject = sign_in_as_new_reader(db, browser, now)
    assert [browser.open(article, now) for article in "abcd"][-1] is Reason.LIMIT_REACHED
    with db.reading() as session:
        assert set(session.scalars(sa.select(Meter.subject))) == {subject}
    assert [answer.new_cookie for answer in browser.answers] == [""] * 4


def test_signing_in_half_way_brings_along_what_was_read_and_leaves_no_second_meter(
    db: Database, settings: Settings, browser: Browser, now: datetime
) -> None:
    browser.open("a", now)
    browser.open("b", now)
    subject = sign_in_as_new_reader(db, browser, now)
    visitor = access.read_cookie(settings, browser.visitor, access.window_of(now))
    assert visitor is not None
    for _ in range(2):
        with db.unit_of_work() as session:
            access.carry_over(session, visitor, to=subject)
    assert [browser.open(article, now) for article in "bcd"] == [
        Reason.REREAD,
        Reason.METERED,
        Reason.LIMIT_REACHED,
    ]
    browser.reader = ""
    assert [browser.open(article, now) for article in "xy"] == [
        Reason.METERED,
        Reason.LIMIT_REACHED,
    ]


def test_the_very_first_article_too_is_brought_along(
    db: Database, settings: Settings, browser: Browser, now: datetime
) -> None:
    browser.open("a", now)
    subject = sign_in_as_new_reader(db, browser, now)
    visitor = access.read_cookie(settings, browser.visitor, access.window_of(now))
    assert visitor is not None
    with db.unit_of_work() as session:
        access.carry_over(session, visitor, to=subject)
    assert browser.open("a", now) is Reason.REREAD
    assert browser.used == 1


def test_what_a_subscriber_reads_is_stored_nowhere(
    db: Database, browser: Browser, now: datetime
) -> None:
    give_right(db, browser, now)
    for article in "abcdef":
        assert browser.open(article, now) is Reason.SUBSCRIBER
    assert rows(db) == 0
    assert browser.visitor == ""


def test_rights_end_at_their_instant_and_the_meter_takes_over(
    db: Database, browser: Browser, now: datetime
) -> None:
    give_right(db, browser, now)
    ends = now + timedelta(days=30)
    assert browser.open("a", ends - timedelta(microseconds=1)) is Reason.SUBSCRIBER
    assert browser.open("a", ends) is Reason.METERED
    assert browser.used == 1


def test_the_table_alone_tells_nobody_what_was_read(
    db: Database, settings: Settings, now: datetime
) -> None:
    november, december = access.window_of(now), access.window_of(now + timedelta(days=30))
    other = settings.model_copy(update={"secret_key": settings.secret_key.__class__("k" * 40)})
    hashes = {
        Hashes(keys, window, salt).of("article-1")
        for window, keys, salt in itertools.product(
            (november, december), (settings, other), ("salt", "pepper")
        )
    }
    assert len(hashes) == 8


def test_what_the_hashes_of_a_window_are_made_with_is_one_for_all_and_dies_with_it(
    db: Database, settings: Settings, browser: Browser, now: datetime
) -> None:
    def salts() -> list[str]:
        with db.reading() as session:
            return list(session.scalars(sa.select(MeterKey.salt)))

    browser.open("a", now)
    [salt] = salts()
    Browser(db, settings).open("b", now)
    assert salts() == [salt]
    with db.unit_of_work() as session:
        session.add(MeterRead(window="2026-10", subject="v:x", article_hash="x"))
        access.forget_past_windows(session, now=now + timedelta(days=30))
    assert len(salts()) == 1, "the next window is begun before anybody asks in it"
    assert salt not in salts()
    assert rows(db) == 0
    with db.reading() as session:
        assert session.scalars(sa.select(MeterRead.subject)).all() == []


def test_a_cookie_of_the_release_before_is_worth_one_article(
    settings: Settings, browser: Browser, now: datetime
) -> None:
    window = access.window_of(now)
    browser.visitor = write_cookie(settings, Visitor("x", window.name, "a" * 32))
    assert browser.open("b", now) is Reason.METERED
    assert browser.used == 2


@pytest.mark.parametrize(
    ("last", "first"),
    [
        # London is an hour ahead of UTC until the end of October, and level with it afterwards.
        (datetime(2026, 7, 31, 22, 59, 59, tzinfo=UTC), datetime(2026, 7, 31, 23, 0, tzinfo=UTC)),
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2026, 3, 31, 22, 59, 59, tzinfo=UTC), datetime(2026, 3, 31, 23, 0, tzinfo=UTC)),
    ],
)
def test_the_count_starts_again_at_londons_midnight_and_old_rows_die(
    db: Database, browser: Browser, last: datetime, first: datetime
) -> None:
    for article in "abcd":
        browser.open(article, last)
    decision = browser.answers[-1].decision
    assert (decision.reason, decision.valid_until) == (Reason.LIMIT_REACHED, first)
    old = browser.visitor

    assert browser.open("a", first) is Reason.METERED, "in a new month it is not a re-read"
    assert browser.used == 1
    assert browser.visitor != old, "nobody is followed from one month into the next"

    browser.open("b", first)
    with db.unit_of_work() as session:
        access.forget_past_windows(session, now=first)
    assert rows(db) == 5, "clocks differ: nothing is forgotten on the first day"
    with db.unit_of_work() as session:
        access.forget_past_windows(session, now=first + timedelta(days=1))
    assert rows(db) == 2


def test_the_hour_that_comes_twice_in_october_gives_no_second_count(
    browser: Browser,
) -> None:
    for hour, article in enumerate("abcd"):
        browser.open(article, datetime(2026, 10, 24, 23, 30, tzinfo=UTC) + timedelta(hours=hour))
    assert browser.answers[-1].decision.reason is Reason.LIMIT_REACHED


@pytest.mark.parametrize("who", ["visitor", "reader"])
def test_of_many_articles_opened_at_once_no_more_are_free_than_the_limit(
    db: Database, browser: Browser, now: datetime, who: str
) -> None:
    if who == "visitor":
        browser.open("a", now)
    else:
        sign_in_as_new_reader(db, browser, now)
    together = threading.Barrier(8)

    def open_one(n: int) -> Reason:
        tab = Browser(db, browser.settings, visitor=browser.visitor, reader=browser.reader)
        together.wait()
        return tab.open(f"article-{n}", now)

    with ThreadPoolExecutor(8) as pool:
        reasons = list(pool.map(open_one, range(8)))

    free = 2 if who == "visitor" else 3
    assert reasons.count(Reason.METERED) == free
    assert reasons.count(Reason.LIMIT_REACHED) == 8 - free
    assert rows(db) == 3


def test_one_article_opened_many_times_at_once_is_counted_once(
    db: Database, browser: Browser, now: datetime
) -> None:
    browser.open("a", now)
    together = threading.Barrier(8)

    def open_one(_: int) -> Reason:
        tab = Browser(db, browser.settings, visitor=browser.visitor)
        together.wait()
        return tab.open("b", now)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(open_one, range(8))) <= {Reason.METERED, Reason.REREAD}
    assert rows(db) == 2
