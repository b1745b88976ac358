"""Gift links: ten a month, fifty opens, fourteen days, and taken back at once."""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer
from pydantic import SecretStr

from billing import readers
from billing.access import gift_links
from billing.access.entitlements import Term, grant, revoke
from billing.access.gift_links import Gift, MayNotGiveError, NoGiftLeftError
from billing.db import Database
from billing.driver import Connection
from billing.errors import RefusedError
from billing.models import EntitlementSource, GiftLink
from billing.settings import Settings

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SETTINGS = Settings(secret_key=SecretStr("only-for-tests-only-for-tests-only-for-tests"))
MAY_GIVE = {"subscription", "offline", "seat", "gift", "comp", "staff"}


def give_right(
    db: Database,
    reader_id: UUID,
    now: datetime,
    *,
    source: EntitlementSource = EntitlementSource.SUBSCRIPTION,
    starts_in: timedelta = timedelta(0),
) -> None:
    starts_at = now + starts_in
    with db.unit_of_work() as session:
        grant(
            session,
            reader_id=reader_id,
            source=source,
            source_id=str(reader_id),
            term=Term(starts_at, starts_at + timedelta(days=400), "Paid"),
            now=now,
        )


def new_reader(db: Database, now: datetime) -> UUID:
    with db.unit_of_work() as session:
        return readers.create(session, now=now).id


@pytest.fixture
def giver(db: Database, now: datetime) -> UUID:
    """A subscriber."""
    reader_id = new_reader(db, now)
    give_right(db, reader_id, now)
    return reader_id


def give(
    db: Database, giver: UUID, now: datetime, article: str = "ms-1001", token: str = ""
) -> tuple[GiftLink, str]:
    with db.unit_of_work() as session:
        return gift_links.give(session, giver, article, now=now, token=token)


def redeem(db: Database, token: str, now: datetime, held: Sequence[Gift] = ()) -> GiftLink | None:
    with db.unit_of_work() as session:
        return gift_links.redeem(session, token, held=held, now=now)


def set_opens(db: Database, link: GiftLink, opens: int) -> None:
    with db.unit_of_work() as session:
        session.get_one(GiftLink, link.id).opens = opens


def opens(db: Database, link: GiftLink) -> int:
    with db.reading() as session:
        return session.get_one(GiftLink, link.id).opens


def left(db: Database, giver: UUID, now: datetime) -> int:
    with db.reading() as session:
        return gift_links.left(session, giver, now=now)


def take_back(db: Database, giver: UUID, link: GiftLink, now: datetime) -> None:
    with db.unit_of_work() as session:
        gift_links.revoke(session, giver, link.id, now=now)


def test_a_subscriber_passes_on_ten_articles_a_month_and_the_eleventh_waits_for_the_next(
    db: Database, giver: UUID, now: datetime
) -> None:
    for n in range(10):
        give(db, giver, now, f"article-{n}")
        assert left(db, giver, now) == 9 - n

    with pytest.raises(NoGiftLeftError):
        give(db, giver, now, "article-10")
    last_moment = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(NoGiftLeftError):
        give(db, giver, last_moment, "article-10")
    give(db, giver, last_moment + SECOND, "article-10")
    assert left(db, giver, last_moment + SECOND) == 9


def test_the_month_is_londons_also_while_its_clocks_are_ahead(
    db: Database, giver: UUID, now: datetime
) -> None:
    midnight = datetime(2027, 5, 31, 23, 0, tzinfo=UTC)
    give(db, giver, midnight - SECOND)

    assert left(db, giver, midnight - SECOND) == 9
    assert left(db, giver, midnight) == 10


def test_taking_a_link_back_gives_no_other_in_its_place(
    db: Database, giver: UUID, now: datetime
) -> None:
    links = [give(db, giver, now)[0] for _ in range(10)]
    for link in links:
        take_back(db, giver, link, now)

    with pytest.raises(NoGiftLeftError):
        give(db, giver, now)


def test_of_several_at_once_only_one_is_the_last(db: Database, giver: UUID, now: datetime) -> None:
    for _ in range(9):
        give(db, giver, now)
    together = threading.Barrier(6)

    def one(n: int) -> bool:
        together.wait()
        try:
            give(db, giver, now, f"article-{n}")
        except NoGiftLeftError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, range(6))) == [False] * 5 + [True]
    with db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(GiftLink)) == 10


def test_the_same_press_twice_makes_one_link_even_if_it_was_the_last(
    db: Database, giver: UUID, now: datetime
) -> None:
    for _ in range(9):
        give(db, giver, now)
    token = gift_links.token_of(SETTINGS, giver, "ms-1001", "press")

    first, secret = give(db, giver, now, token=token)
    again, same = give(db, giver, now + SECOND, token=token)

    assert (first.id, secret) == (again.id, same)
    assert gift_links.token_of(SETTINGS, giver, "ms-1001", "other") != token
    assert gift_links.token_of(SETTINGS, giver, "ms-1002", "press") != token
    assert gift_links.token_of(SETTINGS, uuid4(), "ms-1001", "press") != token
    take_back(db, giver, first, now)
    with pytest.raises(RefusedError, match="sent again"):
        give(db, giver, now, token=token)


@pytest.mark.parametrize(
    ("source", "may"), [(source, source.value in MAY_GIVE) for source in EntitlementSource]
)
def test_only_a_right_that_is_paid_or_given_lets_one_pass_articles_on(
    db: Database, now: datetime, source: EntitlementSource, *, may: bool
) -> None:
    reader_id = new_reader(db, now)
    give_right(db, reader_id, now, source=source)

    with db.reading() as session:
        assert gift_links.may_give(session, reader_id, now=now) is may
    if may:
        assert give(db, reader_id, now)[0].article == "ms-1001"
    else:
        with pytest.raises(MayNotGiveError):
            give(db, reader_id, now)


def test_a_right_lets_one_pass_articles_on_only_while_it_holds(db: Database, now: datetime) -> None:
    reader_id = new_reader(db, now)
    give_right(db, reader_id, now, starts_in=SECOND)

    for moment, may in (
        (now, False),
        (now + SECOND, True),
        (now + timedelta(days=400), True),
        (now + SECOND + timedelta(days=400), False),
    ):
        with db.reading() as session:
            assert gift_links.may_give(session, reader_id, now=moment) is may
    with db.unit_of_work() as session:
        revoke(
            session,
            source=EntitlementSource.SUBSCRIPTION,
            source_id=str(reader_id),
            now=now + 2 * SECOND,
        )
    with pytest.raises(MayNotGiveError):
        give(db, reader_id, now + 2 * SECOND)


def test_a_stranger_passes_nothing_on(db: Database, now: datetime) -> None:
    with pytest.raises(MayNotGiveError):
        give(db, uuid4(), now)


def test_whoever_was_merged_away_a_moment_ago_gives_as_who_they_are_now(
    db: Database, giver: UUID, now: datetime
) -> None:
    with db.unit_of_work() as session:
        typed = readers.create(session, now=now, email="rosa@example.org")
        owner = readers.verify_and_merge(session, "rosa@example.org", also=giver, now=now)
    assert {owner.id, typed.id} != {giver}
    merged = giver if owner.id == typed.id else typed.id

    link, _ = give(db, merged, now)

    assert link.reader_id == owner.id


def test_of_the_secret_only_a_hash_is_kept(db: Database, giver: UUID, now: datetime) -> None:
    link, token = give(db, giver, now)

    assert len(token) == 32
    assert token.replace("-", "a").replace("_", "a").isalnum()
    assert give(db, giver, now)[1] != token
    with db.reading() as session:
        row = session.execute(sa.select(GiftLink.__table__).where(GiftLink.id == link.id)).one()
    assert token not in str(row)


def test_fifty_browsers_open_a_link_and_the_next_does_not(
    db: Database, giver: UUID, now: datetime
) -> None:
    link, token = give(db, giver, now)

    assert [bool(redeem(db, token, now)) for _ in range(52)] == [True] * 50 + [False] * 2
    assert opens(db, link) == 50


def test_of_twenty_at_once_one_gets_the_last_open(db: Database, giver: UUID, now: datetime) -> None:
    link, token = give(db, giver, now)
    set_opens(db, link, 49)
    together = threading.Barrier(20)

    def one(_: int) -> bool:
        together.wait()
        return redeem(db, token, now) is not None

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(one, range(20))) == 1
    assert opens(db, link) == 50


def test_a_browser_that_holds_the_link_is_not_counted_again_and_opens_it_though_it_is_used_up(
    db: Database, giver: UUID, now: datetime
) -> None:
    link, token = give(db, giver, now)
    first = redeem(db, token, now)
    assert first is not None
    held = gift_links.with_link((), first)

    again = redeem(db, token, now, held)
    assert again is not None
    assert (again.id, opens(db, link)) == (link.id, 1)

    set_opens(db, link, 50)
    assert redeem(db, token, now, held) is not None
    assert redeem(db, token, now) is None
    other = Gift(uuid4(), "ms-1001", link.expires_at)
    assert redeem(db, token, now, [other]) is None


def test_looking_at_a_link_uses_nothing_up(db: Database, giver: UUID, now: datetime) -> None:
    link, token = give(db, giver, now)
    for _ in range(60):
        with db.reading() as session:
            assert gift_links.find(session, token, held=(), now=now) is not None
    assert opens(db, link) == 0


def test_a_link_works_for_fourteen_days_to_the_second(
    db: Database, giver: UUID, now: datetime
) -> None:
    link, token = give(db, giver, now)
    ends = now + timedelta(days=14)

    assert link.expires_at == ends
    opened = redeem(db, token, ends - SECOND)
    assert opened is not None
    assert redeem(db, token, ends, gift_links.with_link((), opened)) is None


@pytest.mark.parametrize("token", ["", "x", "\0", "é" * 300, "A" * 32])
def test_a_made_up_token_opens_nothing(
    db: Database, giver: UUID, now: datetime, token: str
) -> None:
    give(db, giver, now)
    assert redeem(db, token, now) is None


def test_the_giver_and_nobody_else_takes_a_link_back(
    db: Database, giver: UUID, now: datetime
) -> None:
    link, token = give(db, giver, now)
    other = new_reader(db, now)
    give_right(db, other, now)

    for stranger, link_id in ((other, link.id), (giver, uuid4())):
        with pytest.raises(RefusedError), db.unit_of_work() as session:
            gift_links.revoke(session, stranger, link_id, now=now)
    opened = redeem(db, token, now)
    assert opened is not None

    take_back(db, giver, link, now + SECOND)
    take_back(db, giver, link, now + 2 * SECOND)

    assert redeem(db, token, now) is None
    assert redeem(db, token, now, gift_links.with_link((), opened)) is None, "nor who had opened it"
    with db.reading() as session:
        assert session.get_one(GiftLink, link.id).revoked_at == now + SECOND


def test_the_check_sees_by_its_own_statement_what_has_become_of_a_link(
    db: Database, giver: UUID, now: datetime
) -> None:
    link, _ = give(db, giver, now)
    with Connection(db) as connection:

        def ask(link_id: UUID) -> list[tuple[datetime, datetime | None]]:
            return connection.run(gift_links.STILL_GOOD, link_id=link_id)

        assert ask(link.id) == [(now + timedelta(days=14), None)]
        take_back(db, giver, link, now)
        assert ask(link.id) == [(now + timedelta(days=14), now)]
        assert ask(uuid4()) == []


def test_a_giver_sees_their_own_links_that_run_or_count_the_newest_first(
    db: Database, giver: UUID, now: datetime
) -> None:
    other = new_reader(db, now)
    give_right(db, other, now)
    give(db, other, now)
    early = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
    give_right(db, giver, early)
    first, _ = give(db, giver, early, "first")
    second, _ = give(db, giver, now, "second")
    take_back(db, giver, second, now)

    def seen(moment: datetime) -> list[str]:
        with db.reading() as session:
            return [link.article for link in gift_links.of(session, giver, now=moment)]

    assert seen(now) == ["second", "first"]
    assert first.expires_at < now, "over, and counted still"
    december = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    assert seen(december) == ["second"]
    assert seen(second.expires_at) == []


def test_a_link_is_forgotten_once_it_is_over_and_its_month_is_too(
    db: Database, giver: UUID, now: datetime
) -> None:
    early = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
    give_right(db, giver, early)
    give(db, giver, early, "early")
    give(db, giver, now, "late")

    def kept(moment: datetime) -> set[str]:
        with db.unit_of_work() as session:
            gift_links.forget_past(session, now=moment)
            return set(session.scalars(sa.select(GiftLink.article)))

    december = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    late_ends = now + timedelta(days=14)
    assert kept(december - SECOND) == {"early", "late"}
    assert left(db, giver, december - SECOND) == 8
    assert kept(december) == {"late"}
    assert kept(late_ends - SECOND) == {"late"}
    assert kept(late_ends) == set()


def gift(n: int, days: int = 14) -> Gift:
    return Gift(UUID(int=n), f"article-{n}", NOW + timedelta(days=days))


def test_a_cookie_brings_back_what_was_put_in_it() -> None:
    gifts = (gift(1, days=3), gift(2))

    cookie = gift_links.write_cookie(SETTINGS, gifts)

    assert gift_links.read_cookie(SETTINGS, cookie, now=NOW) == gifts
    later = NOW + timedelta(days=3)
    assert gift_links.read_cookie(SETTINGS, cookie, now=later - SECOND) == gifts
    assert gift_links.read_cookie(SETTINGS, cookie, now=later) == gifts[1:]


def test_a_cookie_holds_the_eight_newest_and_one_for_each_article() -> None:
    held: tuple[Gift, ...] = ()
    for n in (*range(10), 4):
        link = GiftLink(id=UUID(int=n), article=f"article-{n}", expires_at=NOW + SECOND)
        held = gift_links.with_link(held, link)

    assert [gift.link_id.int for gift in held] == [2, 3, 5, 6, 7, 8, 9, 4]
    newer = GiftLink(id=UUID(int=99), article="article-9", expires_at=NOW + SECOND)
    held = gift_links.with_link(held, newer)
    assert [gift.link_id.int for gift in held] == [2, 3, 5, 6, 7, 8, 4, 99]
    many = tuple(gift(n) for n in range(10))
    cookie = gift_links.write_cookie(SETTINGS, many)
    assert gift_links.read_cookie(SETTINGS, cookie, now=NOW) == many[2:]


def test_a_cookie_fits_into_what_browsers_keep_however_long_the_ids() -> None:
    draw = random.Random(1)  # noqa: S311  # only that it does not compress
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/~-"
    gifts = [
        Gift(uuid4(), "".join(draw.choices(letters, k=200)), NOW + timedelta(days=14))
        for _ in range(8)
    ]
    assert len(gift_links.write_cookie(SETTINGS, gifts)) < 4000


@pytest.mark.parametrize(
    "cookie",
    ["", ".", "..", "x", "é\x00{};,", "W10.x", "." * 5000, "eJw.AAAA", "\ud800", "a" * 100_000],
)
def test_a_cookie_that_is_rubbish_holds_nothing(cookie: str) -> None:
    assert gift_links.read_cookie(SETTINGS, cookie, now=NOW) == ()


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        {},
        "abc",
        [1],
        [[]],
        [["x", "a", 1]],
        [[7, "a", 1]],
        [[None, "a", 1]],
        [["0" * 32, "a", "soon"]],
        [["0" * 32, "a", 10**30]],
        [["0" * 32, "a", -(10**30)]],
        [["0" * 32, "a", 1e400]],
        [["0" * 32, "a", float("nan")]],
        [["0" * 32, "a", 1, 2]],
    ],
)
def test_a_cookie_that_we_signed_in_another_shape_holds_nothing(content: object) -> None:
    cookie = gift_links._signer(SETTINGS).dumps(content)
    assert gift_links.read_cookie(SETTINGS, cookie, now=NOW) == ()


def test_a_cookie_that_others_made_or_changed_holds_nothing() -> None:
    gifts = (gift(1),)
    cookie = gift_links.write_cookie(SETTINGS, gifts)
    value, _, signature = cookie.rpartition(".")
    elsewhere = SETTINGS.model_copy(update={"secret_key": SecretStr("k" * 40)})
    other_salt = URLSafeSerializer(SETTINGS.secret_key.get_secret_value(), salt="visitor")
    forged = [
        cookie[:-1],
        f"{value[:-2]}AA.{signature}",
        f"{value}.",
        value,
        gift_links.write_cookie(elsewhere, gifts),
        str(other_salt.dumps([["0" * 31 + "1", "article-1", 2**31]])),
    ]
    for each in forged:
        assert gift_links.read_cookie(SETTINGS, each, now=NOW) == ()


@given(st.text())
def test_whatever_is_written_around_a_cookie_never_fails_and_holds_nothing_else(text: str) -> None:
    gifts = (gift(1),)
    cookie = gift_links.write_cookie(SETTINGS, gifts)

    assert gift_links.read_cookie(SETTINGS, text, now=NOW) == ()
    for mangled in (cookie + text, text + cookie):
        assert gift_links.read_cookie(SETTINGS, mangled, now=NOW) in ((), gifts)
