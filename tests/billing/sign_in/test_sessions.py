"""A signed-in browser: known by a hash, for a time, and no longer than its person is there."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from billing import office, readers, sign_in
from billing.db import Database
from billing.models import Reader, Role, SignInRequest, Staff, WebSession


def add_clerk(db: Database, now: datetime) -> Staff:
    with db.unit_of_work() as session:
        return office.add_staff(
            session,
            email="clerk@example.org",
            name="Clerk",
            role=Role.FINANCE,
            actor="command line",
            now=now,
        )


def who(db: Database, token: str, now: datetime) -> Reader | Staff | None:
    with db.reading() as session:
        return sign_in.session_person(session, token, now=now)


def test_a_reader_stays_signed_in_for_sixty_days_and_only_a_hash_is_kept(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        token = sign_in.begin_session(session, reader_id=reader.id, now=now)

    last = now + timedelta(days=60) - timedelta(seconds=1)
    found = who(db, token, last)
    assert isinstance(found, Reader)
    assert found.id == reader.id
    assert who(db, token, last + timedelta(seconds=1)) is None
    with db.reading() as session:
        assert token not in session.scalars(sa.select(WebSession.token_hash)).all()


def test_staff_are_signed_in_for_twelve_hours_and_never_after_they_left(
    db: Database, now: datetime
) -> None:
    clerk = add_clerk(db, now)
    with db.unit_of_work() as session:
        token = sign_in.begin_session(session, staff_id=clerk.id, now=now)

    found = who(db, token, now + timedelta(hours=11))
    assert isinstance(found, Staff)
    assert found.id == clerk.id
    assert who(db, token, now + timedelta(hours=12)) is None
    with db.unit_of_work() as session:
        session.get_one(Staff, clerk.id).active = False
    assert who(db, token, now) is None


def test_signing_out_ends_one_browser_and_no_other(db: Database, now: datetime) -> None:
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        here = sign_in.begin_session(session, reader_id=reader.id, now=now)
        there = sign_in.begin_session(session, reader_id=reader.id, now=now)
    with db.unit_of_work() as session:
        sign_in.end_session(session, here)
    assert who(db, here, now) is None
    assert who(db, there, now) is not None


@pytest.mark.parametrize("token", ["", "made up", "x" * 5000, "é\0"])
def test_a_made_up_cookie_is_nobody(db: Database, now: datetime, token: str) -> None:
    add_clerk(db, now)
    assert who(db, token, now) is None


def test_a_merged_reader_is_nobody_any_more(db: Database, now: datetime) -> None:
    with db.unit_of_work() as session:
        kept, gone = readers.create(session, now=now), readers.create(session, now=now)
        gone.merged_into = kept.id
        token = sign_in.begin_session(session, reader_id=gone.id, now=now)
    assert who(db, token, now) is None


def test_what_has_expired_is_forgotten_and_nothing_else(db: Database, now: datetime) -> None:
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        for born in (now - timedelta(days=60), now):
            sign_in.begin_session(session, reader_id=reader.id, now=born)
        sign_in.forget_expired(session, now=now)
    with db.reading() as session:
        assert session.scalars(sa.select(WebSession.created_at)).all() == [now]
        assert session.scalars(sa.select(SignInRequest)).all() == []
