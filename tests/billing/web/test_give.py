"""Passing an article on, from the subscriber's page to the article somebody else reads."""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import readers, sign_in
from billing.access import gift_links
from billing.access.entitlements import Term, grant
from billing.access.gift_links import MOST_OPENS, Gift
from billing.context import Context
from billing.models import EntitlementSource, GiftLink, RateLimit
from billing.web.render import write_day
from service import schedule
from service.app import build
from tests.support.pages import Page

HERE = "http://localhost:8000"
PAPER = "http://localhost:8080"
FROM_ELSEWHERE = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}


@pytest.fixture
def context(context: Context) -> Context:
    """The same, with a paper that says where its articles are, and gives none away."""
    paywall = context.settings.paywall.model_copy(
        update={"article_path": "/node/{article}", "limit": 0}
    )
    return dataclasses.replace(
        context, settings=context.settings.model_copy(update={"paywall": paywall})
    )


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    """Whoever gives."""
    with TestClient(build(context), base_url=HERE, follow_redirects=False) as browser:
        yield browser


@pytest.fixture
def friend(client: TestClient) -> TestClient:
    """The browser of whoever the link is sent to."""
    return TestClient(client.app, base_url=HERE, follow_redirects=False)


def sign_in_reader(client: TestClient, context: Context, source: EntitlementSource | None) -> UUID:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        if source is not None:
            grant(
                session,
                reader_id=reader.id,
                source=source,
                source_id=str(reader.id),
                term=Term(now - timedelta(days=1), None, "Paid"),
                now=now,
            )
        token = sign_in.begin_session(session, reader_id=reader.id, now=now)
    client.cookies.clear()
    client.cookies.set("reader", token)
    return reader.id


@pytest.fixture
def giver(client: TestClient, context: Context) -> UUID:
    """A subscriber, signed in."""
    return sign_in_reader(client, context, EntitlementSource.SUBSCRIPTION)


@dataclass(frozen=True)
class Given:
    """A link as its giver's page shows it."""

    page: Page
    path: str


def press(client: TestClient, article: str = "ms-1001") -> Given:
    """Open the page of an article, and press its button."""
    form = Page(client.get("/give", params={"article": article}).text).form("/give")
    answer = client.post("/give", data=form.fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    [path] = re.findall(rf"{HERE}(/gift/[\w-]{{32}})<", answer.text)
    return Given(Page(answer.text), path)


def links(context: Context) -> list[GiftLink]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(GiftLink).order_by(GiftLink.created_at)))


def held_by(browser: TestClient, context: Context) -> tuple[Gift, ...]:
    cookie = browser.cookies.get("gift") or ""
    return gift_links.read_cookie(context.settings, cookie, now=context.clock.now())


def test_a_subscriber_makes_a_link_that_is_shown_once_and_leads_a_stranger_to_the_article(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    asked = Page(client.get("/give?article=ms-1001").text)
    assert f"{PAPER}/node/ms-1001" in asked.links
    assert "Left this month 10 of 10" in asked.words
    assert asked.form("/give").buttons == ["Make the link"]

    given = press(client)
    [link] = links(context)
    assert (link.reader_id, link.article, link.opens) == (giver, "ms-1001", 0)
    assert "We show you this link only now" in given.page.words
    assert "You can pass on 9 more articles" in given.page.words

    shown = Page(friend.get(given.path).text)
    assert shown.titles("h1") == ["Somebody has passed an article on to you"]
    assert f"until {write_day(link.expires_at)}" in shown.words
    assert shown.form(given.path).buttons == ["Read the article"]
    opened = friend.post(given.path)
    assert (opened.status_code, opened.headers["location"]) == (303, f"{PAPER}/node/ms-1001")
    assert held_by(friend, context) == (
        Gift(link.id, "ms-1001", link.expires_at.replace(microsecond=0)),
    )
    assert links(context)[0].opens == 1


def test_at_the_wall_a_link_opens_its_own_article_alone_and_only_until_it_is_taken_back(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    def asked(article: str) -> str:
        answer = friend.get("/paywall/v1/check", params={"article": article})
        return str(answer.json()["reason"])

    given = press(client)
    friend.get(given.path)
    assert asked("ms-1001") == "limit_reached"

    friend.post(given.path)
    assert [asked(article) for article in ("ms-1001", "ms-1002", "ms-1001")] == [
        "gift_link",
        "limit_reached",
        "gift_link",
    ]

    client.post(f"/account/gifts/{links(context)[0].id}/take-back")
    assert asked("ms-1001") == "limit_reached"


def test_the_link_can_be_sent_by_the_givers_own_mail_program(
    client: TestClient, giver: UUID
) -> None:
    given = press(client)

    [mail] = [link for link in given.page.links if link.startswith("mailto:?")]
    said = parse_qs(urlsplit(mail).query)
    assert said["subject"] == ["An article in the Morning Star"]
    assert f"\r\n\r\n{HERE}{given.path}\r\n\r\n" in said["body"][0]
    assert "+" not in mail, "which a mail program would show"


def test_opening_again_is_not_counted_and_the_cookie_lasts_as_long_as_the_link(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    given = press(client)

    cookies = [friend.post(given.path).headers["set-cookie"] for _ in range(3)]

    assert links(context)[0].opens == 1
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        [lasts] = re.findall(r"Max-Age=(\d+)", cookie)
        assert 14 * 24 * 3600 - 60 < int(lasts) <= 14 * 24 * 3600


def test_previews_and_scanners_use_nothing_up_and_are_given_nothing(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    given = press(client)

    for method in ("GET", "HEAD") * 30:
        answer = friend.request(method, given.path)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert links(context)[0].opens == 0


def test_the_gift_pages_are_kept_by_nobody_and_tell_no_other_site(
    client: TestClient, friend: TestClient, giver: UUID
) -> None:
    given = press(client)
    for path in (given.path, "/gift/never-was"):
        headers = friend.get(path).headers
        assert headers["cache-control"] == "private, no-store"
        assert headers["referrer-policy"] == "same-origin"


def test_a_link_that_works_no_more_is_answered_as_one_that_never_was(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    ends = {"used up": "opens", "over": "expires_at", "taken back": "revoked_at"}
    paths = {end: press(client, f"article-{n}").path for n, end in enumerate(ends)}
    now = context.clock.now()
    to = {"opens": MOST_OPENS, "expires_at": now, "revoked_at": now}
    with context.db.unit_of_work() as session:
        made = session.scalars(sa.select(GiftLink).order_by(GiftLink.article)).all()
        for link, column in zip(made, ends.values(), strict=True):
            setattr(link, column, to[column])

    answers = {
        (answer.status_code, answer.text)
        for path in (*paths.values(), "/gift/never-was")
        for answer in (friend.get(path), friend.post(path))
    }

    [(status, text)] = answers
    assert status == 410
    assert Page(text).titles("h1") == ["This link no longer works"]
    assert "gift" not in friend.cookies


def test_a_form_sent_twice_makes_one_link_and_shows_it_again(
    client: TestClient, context: Context, giver: UUID
) -> None:
    form = Page(client.get("/give?article=ms-1001").text).form("/give")

    first, again = (client.post("/give", data=form.fields) for _ in range(2))

    assert len(links(context)) == 1
    shown = re.compile(r"/gift/[\w-]{32}")
    assert shown.findall(first.text)[0] == shown.findall(again.text)[0]
    other = press(client)
    assert other.path not in first.text
    assert len(links(context)) == 2


def test_a_form_of_our_own_without_its_press_makes_a_link_as_well(
    client: TestClient, context: Context, giver: UUID
) -> None:
    for _ in range(2):
        assert client.post("/give", data={"article": "ms-1001"}).status_code == 200
    assert len(links(context)) == 2


def test_the_eleventh_gift_of_a_month_is_refused_in_words(
    client: TestClient, context: Context, giver: UUID
) -> None:
    form = Page(client.get("/give?article=late").text).form("/give")
    given = [press(client, f"article-{n}") for n in range(10)]
    assert "That was the last of this month." in given[-1].page.words

    asked = client.get("/give?article=late")
    sent = client.post("/give", data=form.fields)

    assert (asked.status_code, sent.status_code) == (200, 409)
    for answer in (asked, sent):
        page = Page(answer.text)
        assert page.titles("h1") == ["You have passed on your ten articles of this month"]
        assert [form.action for form in page.forms] == []
    assert len(links(context)) == 10


@pytest.mark.parametrize("source", [None, EntitlementSource.GRACE, EntitlementSource.PROVISIONAL])
def test_who_neither_pays_nor_was_given_a_right_passes_nothing_on(
    client: TestClient, context: Context, source: EntitlementSource | None
) -> None:
    sign_in_reader(client, context, source)

    asked = client.get("/give?article=ms-1001")
    sent = client.post("/give", data={"article": "ms-1001", "press": "x"})

    assert (asked.status_code, sent.status_code) == (403, 403)
    assert Page(sent.text).titles("h1") == ["Passing articles on is for subscribers"]
    assert links(context) == []
    assert "Articles you pass on" not in client.get("/account").text


def test_who_is_not_signed_in_is_asked_to_and_led_back_to_the_same_article(
    client: TestClient, context: Context
) -> None:
    asked = client.get("/give", params={"article": "a/b:c~d"})
    sent = client.post("/give", data={"article": "a/b:c~d", "press": "x"})

    for answer in (asked, sent):
        assert answer.status_code == 303
        door = Page(client.get(answer.headers["location"]).text).form("/sign-in")
        back = urlsplit(door.fields["next"])
        assert (back.path, parse_qs(back.query)) == ("/give", {"article": ["a/b:c~d"]})
    assert links(context) == []


@pytest.mark.parametrize(
    "article",
    ["", " ", "//evil.test/x", "@evil.test", "../..", "/a", "a b", "a\r\nSet-Cookie: a=b", "a\0",
     "é", "a" * 201, "a?b", "a#b", "javascript:alert(1)//<", "a%2f"],
)  # fmt: skip
def test_an_id_the_check_would_not_read_is_refused_with_its_cure(
    client: TestClient, context: Context, giver: UUID, article: str
) -> None:
    asked = client.get("/give", params={"article": article})
    sent = client.post("/give", data={"article": article, "press": "x"})

    for answer in (asked, sent):
        assert answer.status_code == 400
        assert "1 to 200 letters, digits or" in Page(answer.text).words
        assert "set-cookie" not in answer.headers
    assert links(context) == []


@pytest.mark.parametrize("article", ["a/../../..", "https://evil.test", "a//evil.test"])
def test_no_id_leads_out_of_the_paper(
    client: TestClient, friend: TestClient, giver: UUID, article: str
) -> None:
    led = friend.post(press(client, article).path).headers["location"]

    assert led.startswith(f"{PAPER}/node/")
    assert led.count("/") == 4


def test_a_form_of_another_site_neither_gives_nor_opens_nor_takes_back(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    given = press(client)
    [link] = links(context)

    refused = [
        client.post("/give", data={"article": "a", "press": "x"}, headers=FROM_ELSEWHERE),
        friend.post(given.path, headers=FROM_ELSEWHERE),
        client.post(f"/account/gifts/{link.id}/take-back", headers=FROM_ELSEWHERE),
    ]

    assert [answer.status_code for answer in refused] == [403, 403, 403]
    [after] = links(context)
    assert (after.opens, after.revoked_at) == (0, None)


def test_the_account_lists_what_was_passed_on_and_takes_it_back(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    given = press(client)
    friend.post(given.path)
    [link] = links(context)
    address = f"/account/gifts/{link.id}/take-back"

    before = Page(client.get("/account").text)
    assert "Articles you pass on" in before.titles("h2")
    assert "You have 9 left this month." in before.words
    assert f"Opened by 1 of 50. It works until {write_day(link.expires_at)}." in before.words
    assert before.form(address).buttons[0].startswith("Take it back: ms-1001, ")
    assert given.path not in client.get("/account").text

    for _ in range(2):
        taken = client.post(address)
        assert (taken.status_code, taken.headers["location"]) == (303, "/account#passed-on")
    after = Page(client.get("/account").text)
    assert "Opened by 1 of 50. You took it back." in after.words
    assert [form for form in after.forms if "gifts" in form.action] == []
    assert friend.post(given.path).status_code == 410, "though this browser had opened it"


def test_nobody_takes_back_the_link_of_somebody_else(
    client: TestClient, context: Context, giver: UUID
) -> None:
    press(client)
    [link] = links(context)
    address = f"/account/gifts/{link.id}/take-back"
    sign_in_reader(client, context, EntitlementSource.COMP)

    theirs = client.post(address)
    unknown = client.post(f"/account/gifts/{UUID(int=1)}/take-back")
    client.cookies.clear()
    nobody = client.post(address)

    assert (theirs.status_code, unknown.status_code) == (400, 400)
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/sign-in?next=%2Faccount")
    assert links(context)[0].revoked_at is None


def test_an_account_without_a_right_still_shows_the_links_it_gave(
    client: TestClient, context: Context, giver: UUID
) -> None:
    press(client)
    with context.db.unit_of_work() as session:
        session.execute(sa.text("UPDATE entitlement SET superseded_at = recorded_at"))

    page = Page(client.get("/account").text)

    assert "Articles you pass on" in page.titles("h2")
    assert "left this month" not in page.words


@pytest.mark.parametrize("cookie", ["x", "é", ".", "W10.x", "[]", "a" * 3000])
def test_a_mangled_cookie_is_none(
    client: TestClient, friend: TestClient, context: Context, giver: UUID, cookie: str
) -> None:
    given = press(client)

    sent = {b"cookie": f"gift={cookie}".encode()}
    assert friend.get(given.path, headers=sent).status_code == 200
    opened = friend.post(given.path, headers=sent)

    assert opened.status_code == 303
    assert links(context)[0].opens == 1
    assert len(held_by(friend, context)) == 1


def test_opening_links_over_and_over_from_one_place_is_stopped(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    given = press(client)
    for n in range(300):
        assert friend.post(f"/gift/guess-{n}").status_code == 410

    refused = friend.post(given.path)

    assert refused.status_code == 429
    assert friend.get(given.path).status_code == 200
    assert links(context)[0].opens == 0


def test_no_row_says_who_opened_what(
    client: TestClient, friend: TestClient, context: Context, giver: UUID
) -> None:
    given = press(client)
    reader = sign_in_reader(friend, context, None)
    before = {name: _rows(context, name) for name in _tables(context)}

    friend.post(given.path)

    changed = {
        name: rows for name in _tables(context) if (rows := _rows(context, name)) != before[name]
    }
    assert set(changed) <= {"gift_link", RateLimit.__tablename__}
    assert reader.hex not in str(changed).replace("-", "")
    assert len(changed["gift_link"]) == 1


def test_what_is_over_is_deleted_at_night(
    client: TestClient, context: Context, giver: UUID
) -> None:
    press(client)
    long_ago = context.clock.now() - timedelta(days=60)
    with context.db.unit_of_work() as session:
        reader_id = session.scalars(sa.select(GiftLink.reader_id)).one()
        session.add(
            GiftLink(
                reader_id=reader_id,
                article="old",
                token_hash="0" * 64,
                created_at=long_ago,
                expires_at=long_ago + timedelta(days=14),
            )
        )
    [job] = [job for job in schedule.JOBS if job.name == "past_links"]

    job.run(context)

    assert [link.article for link in links(context)] == ["ms-1001"]


def _tables(context: Context) -> list[str]:
    return sa.inspect(context.db.engine).get_table_names()


def _rows(context: Context, table: str) -> list[str]:
    with context.db.reading() as session:
        found = session.execute(sa.text(f'SELECT * FROM "{table}"')).all()  # noqa: S608  # ours
    return sorted(str(row) for row in found)
