"""Every way we know of to read one article more than is free, tried on the demonstration newspaper.

The paper and the product are both real. Whatever a visitor does, the words of the article beyond
the limit are in no response to them.
"""

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from billing import readers, sign_in
from billing.context import Context
from billing.models import OutboxMessage
from demo import articles
from demo.app import build
from demo.articles import Article
from tests import conftest as everywhere
from tests.deploy.conftest import LIMIT, Visitor, serving

FREE = [article for article in articles.load().articles if article.metered][:LIMIT]
BEYOND, *OTHERS = [article for article in articles.load().articles if article.metered][LIMIT:]

database_url = everywhere.database_url  # the count is kept in it, so on both kinds

Visitors = Callable[[], Visitor]


@pytest.fixture
def visitors(paywall: str, tmp_path: Path) -> Iterator[Visitors]:
    """Make browsers before the paper."""
    with ExitStack() as open_ones:
        smtp = open_ones.enter_context(socket.create_server(("127.0.0.1", 0)))
        app = build(billing=paywall, data=tmp_path, smtp_door=smtp)
        paper = open_ones.enter_context(serving(app))
        yield lambda: open_ones.enter_context(Visitor(paper, follow_redirects=True))


@pytest.fixture
def visitor(visitors: Visitors) -> Visitor:
    """Somebody who has read as many articles as are free, and no other is open to."""
    one = visitors()
    for article in FREE:
        assert open_article(one, article)
    return one


@pytest.fixture
def travel(clock_file: Path) -> Iterator[Callable[[datetime], None]]:
    """Go to another instant."""
    before = clock_file.read_text() if clock_file.exists() else "0"

    def to(instant: datetime) -> None:
        clock_file.write_text(f"{(instant - datetime.now(UTC)).total_seconds():.0f}")

    yield to
    clock_file.write_text(before)


def open_article(visitor: Visitor, article: Article, **how: Any) -> bool:
    """Open an article, and tell whether its words came."""
    return reveals(visitor.get(f"/article/{article.slug}", **how).text, article)


def reveals(page: str, article: Article) -> bool:
    """Tell whether a page has any words of an article that are not for everybody."""
    # A page writes < & and quotation marks in another way.
    pieces = re.split("[<&'\"]", "<".join(article.paragraphs[1:]))
    return any(words in page for words in pieces if len(words) > 20)


def test_the_source_of_the_wall_has_no_word_of_the_text(visitor: Visitor) -> None:
    assert not open_article(visitor, BEYOND)

    assert 'class="wall' in visitor.seen
    assert not reveals(visitor.seen, BEYOND)


def test_reading_the_last_free_article_again_is_free_and_opens_no_other(visitor: Visitor) -> None:
    for _ in range(5):
        assert open_article(visitor, FREE[-1])
        assert not open_article(visitor, BEYOND)


@pytest.mark.parametrize(
    "made_up",
    [
        {"headers": {"Referer": "https://www.google.com/", "User-Agent": "Googlebot/2.1"}},
        {"headers": {"X-Forwarded-For": "66.249.66.1", "X-Real-IP": "203.0.113.9"}},
        {"headers": {"X-Article-Flag": "free", "X-Original-Method": "HEAD"}},
        {"headers": {"X-Paywall-Access": "granted", "X-Paywall-Remaining": "3"}},
        {"headers": {"Authorization": "Bearer a-guess"}},
        {"headers": {"Sec-Purpose": "prefetch"}},
        {"headers": {"Sec-Purpose": "prefetch;prerender"}},
        {"headers": {"Purpose": "prefetch", "X-Moz": "prefetch"}},
        {"headers": {"Range": "bytes=2000-"}},
        {"params": {"used": "0", "remaining": "3", "limit": "99", "flag": "free"}},
        {"params": {"article": FREE[0].id, "id": FREE[0].id, "amp": "1", "print": "1"}},
    ],
)
def test_a_made_up_history_changes_nothing(visitor: Visitor, made_up: dict[str, Any]) -> None:
    assert not open_article(visitor, BEYOND, **made_up)
    visitor.head(f"/article/{BEYOND.slug}", **made_up)

    assert not reveals(visitor.seen, BEYOND)


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose", "X-Moz"])
def test_a_page_that_is_only_prepared_is_not_shown_and_not_counted(
    visitors: Visitors, header: str
) -> None:
    one = visitors()
    for article in (*OTHERS, BEYOND, *FREE):
        page = one.get(f"/article/{article.slug}", headers={header: "prefetch"})
        assert (page.status_code, page.text, page.headers["retry-after"]) == (503, "", "1")

    assert [open_article(one, article) for article in (*FREE, BEYOND)] == [True] * LIMIT + [False]


@pytest.mark.parametrize("cookie", ["reader", "pass", "gift", "staff", "__Host-reader", "used"])
@pytest.mark.parametrize("value", ["1", "x" * 43, "e30.e30.e30", "%00", "eyJhbGciOiJub25lIn0.e30."])
def test_a_forged_cookie_beside_ones_own_opens_nothing(
    visitor: Visitor, cookie: str, value: str
) -> None:
    visitor.cookies.set(cookie, value)

    assert not open_article(visitor, BEYOND)


def test_an_older_copy_of_ones_own_cookie_is_the_same_visitor(visitors: Visitors) -> None:
    one = visitors()
    open_article(one, FREE[0])
    first = one.cookies["visitor"]
    for article in FREE[1:]:
        open_article(one, article)
    one.cookies.clear()
    one.cookies.set("visitor", first)

    assert not open_article(one, BEYOND)


def test_a_copied_cookie_shares_its_count(visitor: Visitor, visitors: Visitors) -> None:
    friend = visitors()
    friend.cookies.set("visitor", visitor.cookies["visitor"])

    assert not open_article(friend, BEYOND)


def test_many_windows_at_once_open_no_more_than_are_free(visitors: Visitors) -> None:
    one = visitors()
    open_article(one, FREE[0])
    tabs = [visitors() for _ in (BEYOND, *OTHERS[:6])]
    for tab in tabs:
        tab.cookies.set("visitor", one.cookies["visitor"])
    with ThreadPoolExecutor(len(tabs)) as at_once:
        opened = list(at_once.map(open_article, tabs, (BEYOND, *OTHERS[:6])))

    assert sum(opened) == LIMIT - 1


def test_two_people_through_one_paper_are_never_taken_for_each_other(
    visitor: Visitor, visitors: Visitors, session_token: str
) -> None:
    subscriber, other = visitors(), visitors()
    subscriber.cookies.set("reader", session_token)
    for _ in range(2):
        assert open_article(subscriber, BEYOND)
        assert not open_article(visitor, BEYOND)
        assert open_article(other, FREE[0])

    page = subscriber.get(f"/article/{BEYOND.slug}")
    assert page.headers["cache-control"] == "private, no-store", "no cache between may keep it"
    assert visitor.cookies["visitor"] != other.cookies["visitor"]


@pytest.mark.parametrize(
    ("begins", "still_walled", "new_month"),
    [
        pytest.param(
            datetime(2027, 3, 27, 23, 50, tzinfo=UTC),
            [
                datetime(2027, 3, 28, 0, 10, tzinfo=UTC),  # midnight in London
                datetime(2027, 3, 28, 1, 10, tzinfo=UTC),  # the clocks went forward
                datetime(2027, 3, 28, 23, 10, tzinfo=UTC),  # midnight, an hour earlier now
                datetime(2027, 3, 31, 22, 59, tzinfo=UTC),
            ],
            datetime(2027, 3, 31, 23, 1, tzinfo=UTC),  # April in London, March in UTC
            id="spring",
        ),
        pytest.param(
            datetime(2027, 10, 30, 22, 50, tzinfo=UTC),
            [
                datetime(2027, 10, 30, 23, 10, tzinfo=UTC),  # midnight in London
                datetime(2027, 10, 31, 0, 59, tzinfo=UTC),
                datetime(2027, 10, 31, 1, 10, tzinfo=UTC),  # the clocks went back
                datetime(
                    2027, 10, 31, 23, 10, tzinfo=UTC
                ),  # a month's last hour, for the first time
            ],
            datetime(2027, 11, 1, 0, 1, tzinfo=UTC),
            id="autumn",
        ),
    ],
)
def test_neither_midnight_nor_the_change_of_clocks_begins_a_count_but_londons_month_does(
    visitors: Visitors,
    travel: Callable[[datetime], None],
    begins: datetime,
    still_walled: list[datetime],
    new_month: datetime,
) -> None:
    travel(begins)
    one = visitors()
    for article in FREE:
        assert open_article(one, article)
    for instant in still_walled:
        travel(instant)
        assert not open_article(one, BEYOND), instant
    assert not reveals(one.seen, BEYOND)

    travel(new_month)

    assert open_article(one, BEYOND)


def test_signing_in_mid_month_brings_the_count_along(
    visitor: Visitor, visitors: Visitors, paywall: str, context: Context
) -> None:
    sign_in_at(paywall, visitor, context)
    assert "reader" in visitor.cookies
    assert not open_article(visitor, BEYOND)

    visitor.cookies.delete("visitor")
    assert not open_article(visitor, BEYOND), "the count is the reader's now"
    elsewhere = visitors()
    sign_in_at(paywall, elsewhere, context)
    assert not open_article(elsewhere, BEYOND)


def sign_in_at(product: str, visitor: Visitor, context: Context) -> None:
    """Sign in with the link in the mail; on one host name the cookie is for the paper too."""
    visitor.post(f"{product}/sign-in", data={"email": "rosa@example.org", "next": ""})
    with context.db.reading() as session:
        mails = sa.select(OutboxMessage.payload).where(OutboxMessage.kind == "sign_in")
        newest = session.scalars(mails.order_by(OutboxMessage.id.desc())).first()
    assert newest is not None
    visitor.post(f"{product}{urlsplit(newest['link']).path}")


def test_no_other_address_of_the_paper_or_the_product_has_the_text(
    visitor: Visitor, paywall: str
) -> None:
    slug, number = BEYOND.slug, BEYOND.id
    known = ["/", "/healthz", "/mailbox.json", f"/article/{number}"]
    known += [f"/section/{section.slug}" for section in articles.load().sections]
    views = ["/rss", "/rss.xml", "/feed", "/atom.xml", "/sitemap.xml", "/search?q=the"]
    for name in (slug, number):
        views += [
            f"/amp/{name}", f"/article/{name}/amp", f"/article/{name}/print", f"/article/{name}/",
            f"/article/{name}.json", f"/article/{name}?_format=json", f"/api/article/{name}",
            f"/article/{FREE[0].slug}/../{name}", f"/article/{FREE[0].slug}%2f..%2f{name}",
            f"/Article/{name}", f"/static/../articles/{name}", f"//article/{name}",
        ]  # fmt: skip
    for path in (*known, *views):
        visitor.get(path)
    for face in ("check", "auth", "front"):
        visitor.get(f"{paywall}/paywall/v1/{face}?article={number}")
    for verb in ("POST", "PUT", "OPTIONS", "HEAD", "TRACE"):
        visitor.request(verb, f"/article/{slug}")

    assert not reveals(visitor.seen, BEYOND)


def test_wiping_cookies_begins_anew_for_a_visitor_and_not_for_a_reader(
    visitor: Visitor, context: Context
) -> None:
    """What `deploy/README.md` says plainly: we do not fingerprint anybody."""
    visitor.cookies.clear()
    assert open_article(visitor, BEYOND)

    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        tokens = [sign_in.begin_session(session, reader_id=reader.id, now=now) for _ in range(2)]
    opened = []
    for token in tokens:
        visitor.cookies.clear()
        visitor.cookies.set("reader", token)
        opened.append([open_article(visitor, article) for article in (*FREE, BEYOND)])

    assert opened == [[True, True, True, False]] * 2
