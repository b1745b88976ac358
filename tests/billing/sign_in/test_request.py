"""What a request to sign in writes, to whom it mails, and how often it may be made."""

import hashlib
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from billing import office, sign_in
from billing.db import Database
from billing.errors import AddressError, TooManyAttemptsError
from billing.models import Audience, OutboxMessage, Reader, Role, SignInRequest
from billing.settings import Settings


def ask(
    db: Database,
    settings: Settings,
    now: datetime,
    *,
    email: str = "rosa@example.org",
    audience: Audience = Audience.READER,
    browser: str = "a browser",
    caller: str = "198.51.100.7",
    next_path: str = "",
) -> None:
    with db.unit_of_work() as session:
        sign_in.request(
            session,
            settings,
            audience=audience,
            email=email,
            next_path=next_path,
            browser=browser,
            caller=caller,
            now=now,
        )


def mails(db: Database) -> list[tuple[str, dict[str, object]]]:
    with db.reading() as session:
        rows = session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id)).all()
        return [(row.to_address, row.payload) for row in rows]


def test_a_known_and_an_unknown_address_are_mailed_alike_and_no_reader_is_made(
    db: Database, settings: Settings, now: datetime
) -> None:
    with db.unit_of_work() as session:
        session.add(Reader(email="known@example.org", email_verified_at=now, created_at=now))

    ask(db, settings, now, email="known@example.org")
    ask(db, settings, now, email="New@Example.org")

    assert [to for to, _ in mails(db)] == ["known@example.org", "new@example.org"]
    with db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Reader)) == 1


def test_neither_token_nor_code_nor_cookie_is_stored_as_it_is(
    db: Database, settings: Settings, now: datetime
) -> None:
    ask(db, settings, now)

    [(_, mail)] = mails(db)
    token, code = str(mail["link"]).rsplit("/", 1)[1], str(mail["code"])
    with db.reading() as session:
        asked = session.scalars(sa.select(SignInRequest)).one()
    assert asked.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert asked.browser_hash == hashlib.sha256(b"a browser").hexdigest()
    guesses = {hashlib.sha256(f"{n:06d}".encode()).hexdigest() for n in range(1_000_000)}
    assert len(code) == 6
    assert asked.code_hash not in guesses
    assert asked.expires_at == now + timedelta(minutes=20)


def test_only_active_staff_are_mailed_by_the_office_but_everybody_is_answered(
    db: Database, settings: Settings, now: datetime
) -> None:
    with db.unit_of_work() as session:
        for name in ("clerk", "former"):
            office.add_staff(
                session,
                email=f"{name}@example.org",
                name=name,
                role=Role.FINANCE,
                actor="command line",
                now=now,
            ).active = name == "clerk"

    for name in ("clerk", "former", "stranger"):
        ask(db, settings, now, email=f"{name}@example.org", audience=Audience.OFFICE)

    [(to, mail)] = mails(db)
    assert to == "clerk@example.org"
    assert str(mail["link"]).startswith("http://localhost:8000/office/sign-in/")
    assert mail["code"] == ""
    with db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(SignInRequest)) == 3


@pytest.mark.parametrize(
    "typed", ["", "rosa", "rosa@", "@example.org", "a b@example.org", "a\n@b.c"]
)
def test_what_is_no_address_is_refused_and_nothing_is_written(
    db: Database, settings: Settings, now: datetime, typed: str
) -> None:
    with pytest.raises(AddressError):
        ask(db, settings, now, email=typed)
    assert mails(db) == []


def test_one_address_is_mailed_five_times_in_a_quarter_of_an_hour_and_then_told_when_again(
    db: Database, settings: Settings, now: datetime
) -> None:
    for n in range(5):
        ask(db, settings, now, browser=f"browser {n}", caller=f"198.51.100.{n}")

    with pytest.raises(TooManyAttemptsError) as refused:
        ask(db, settings, now + timedelta(minutes=14), email="ROSA@example.org")

    assert refused.value.again_at == now + timedelta(minutes=15)
    assert len(mails(db)) == 5
    ask(db, settings, now + timedelta(minutes=15))
    assert len(mails(db)) == 6


def test_one_caller_and_one_browser_cannot_mail_the_whole_world(
    db: Database, settings: Settings, now: datetime
) -> None:
    for n in range(10):
        ask(db, settings, now, email=f"reader{n}@example.org")
    with pytest.raises(TooManyAttemptsError):
        ask(db, settings, now, email="another@example.org")
    for n in range(50):
        ask(db, settings, now, email=f"victim{n}@example.org", browser=f"browser {n}")
    with pytest.raises(TooManyAttemptsError):
        ask(db, settings, now, email="another@example.org", browser="one more")
    ask(db, settings, now, email="another@example.org", browser="one more", caller="203.0.113.9")


@pytest.mark.parametrize(
    ("asked_for", "kept"),
    [
        ("/account", "/account"),
        ("/subscribe/digital?source=a1", "/subscribe/digital?source=a1"),
        ("https://evil.example", ""),
        ("//evil.example", ""),
        ("/\\evil.example", ""),
        ("/\t/evil.example", ""),
        ("/ok\r\nSet-Cookie: a=b", ""),
        ("account", ""),
        ("", ""),
        ("/" + "x" * 500, ""),
    ],
)
def test_afterwards_one_is_only_ever_led_to_a_page_of_ours(asked_for: str, kept: str) -> None:
    assert sign_in.local_path(asked_for) == kept
