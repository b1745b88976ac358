"""A link works once; a code works once, in its own browser, and cannot be guessed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from billing import sign_in
from billing.db import Database
from billing.errors import TooManyAttemptsError
from billing.models import Audience, OutboxMessage
from billing.settings import Settings
from billing.sign_in import Proof


def ask(
    db: Database, settings: Settings, now: datetime, *, browser: str = "mine", caller: str = "::1"
) -> tuple[str, str]:
    """Ask for a link and a code, and return both as mailed."""
    with db.unit_of_work() as session:
        sign_in.request(
            session,
            settings,
            audience=Audience.READER,
            email="rosa@example.org",
            next_path="/account",
            browser=browser,
            caller=caller,
            now=now,
        )
        mail = session.scalars(
            sa.select(OutboxMessage.payload).order_by(OutboxMessage.id.desc())
        ).first()
    assert mail is not None
    return mail["link"].rsplit("/", 1)[1], mail["code"]


def follow(db: Database, token: str, now: datetime, *, browser: str = "") -> Proof | None:
    with db.unit_of_work() as session:
        return sign_in.redeem_link(
            session, token, audience=Audience.READER, browser=browser, now=now
        )


def type_in(
    db: Database, settings: Settings, code: str, now: datetime, *, browser: str = "mine"
) -> Proof | None:
    with db.unit_of_work() as session:
        return sign_in.redeem_code(session, settings, code, browser=browser, now=now)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_a_link_works_once_anywhere_and_knows_its_own_browser(
    db: Database, settings: Settings, now: datetime
) -> None:
    token, _ = ask(db, settings, now)
    assert follow(db, token, now) == Proof("rosa@example.org", "/account", same_browser=False)
    assert follow(db, token, now) is None

    token, _ = ask(db, settings, now)
    assert follow(db, token, now, browser="mine") == Proof(
        "rosa@example.org", "/account", same_browser=True
    )


def test_looking_at_a_link_uses_nothing_up(db: Database, settings: Settings, now: datetime) -> None:
    token, _ = ask(db, settings, now)
    for _ in range(3):
        with db.reading() as session:  # in which writing fails
            found = sign_in.address_of_link(session, token, audience=Audience.READER, now=now)
            assert found == "rosa@example.org"
    assert follow(db, token, now) is not None
    with db.reading() as session:
        assert sign_in.address_of_link(session, token, audience=Audience.READER, now=now) == ""


def test_a_readers_link_does_not_open_the_office(
    db: Database, settings: Settings, now: datetime
) -> None:
    token, _ = ask(db, settings, now)
    with db.unit_of_work() as session:
        proof = sign_in.redeem_link(session, token, audience=Audience.OFFICE, browser="", now=now)
    assert proof is None
    assert follow(db, token, now) is not None


def test_link_and_code_die_after_twenty_minutes(
    db: Database, settings: Settings, now: datetime
) -> None:
    token, code = ask(db, settings, now)
    late = now + timedelta(minutes=20)
    assert follow(db, token, late) is None
    assert type_in(db, settings, code, late) is None
    assert follow(db, token, late - timedelta(seconds=1)) is not None


def test_a_code_works_once_and_only_in_the_browser_that_asked(
    db: Database, settings: Settings, now: datetime
) -> None:
    token, code = ask(db, settings, now)
    assert type_in(db, settings, code, now, browser="theirs") is None
    assert type_in(db, settings, code, now, browser="") is None
    spaced = f" {code[:3]} {code[3:]}"
    assert type_in(db, settings, spaced, now) == Proof(
        "rosa@example.org", "/account", same_browser=True
    )
    assert type_in(db, settings, code, now) is None
    assert follow(db, token, now) is None, "link and code are one request, used once"


def test_a_code_that_belongs_to_another_request_does_not_work(
    db: Database, settings: Settings, now: datetime
) -> None:
    _, first = ask(db, settings, now)
    _, second = ask(db, settings, now + timedelta(seconds=1))
    assert first == second or type_in(db, settings, first, now + timedelta(seconds=2)) is None
    assert type_in(db, settings, second, now + timedelta(seconds=2)) is not None


def test_five_wrong_tries_kill_a_code_but_not_its_link(
    db: Database, settings: Settings, now: datetime
) -> None:
    token, code = ask(db, settings, now)
    for _ in range(5):
        assert type_in(db, settings, other_than(code), now) is None
    assert type_in(db, settings, code, now) is None
    assert follow(db, token, now) is not None


def test_asking_again_and_again_gives_no_more_than_twenty_guesses_a_day(
    db: Database, settings: Settings, now: datetime
) -> None:
    guesses = 0
    with pytest.raises(TooManyAttemptsError) as refused:  # noqa: PT012  # the loop is the attack
        for hour in range(24):
            later = now + timedelta(minutes=30 * hour)
            _, code = ask(db, settings, later, caller=f"198.51.100.{hour}")
            for _ in range(5):
                assert type_in(db, settings, other_than(code), later) is None
                guesses += 1
    assert guesses == 20
    assert refused.value.again_at == now + timedelta(days=1)


def test_of_many_who_follow_one_link_at_once_one_gets_in(
    db: Database, settings: Settings, now: datetime
) -> None:
    token, _ = ask(db, settings, now)
    with ThreadPoolExecutor(8) as pool:
        proofs = list(pool.map(lambda _: follow(db, token, now), range(8)))
    assert sum(proof is not None for proof in proofs) == 1


def test_of_many_guesses_at_once_no_more_than_five_are_heard(
    db: Database, settings: Settings, now: datetime
) -> None:
    _, code = ask(db, settings, now)
    wrong = other_than(code)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: type_in(db, settings, wrong, now), range(5)))
    assert type_in(db, settings, code, now) is None
