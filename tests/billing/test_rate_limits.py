"""Counting tries, across threads as across processes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from billing import rate_limits
from billing.db import Database
from billing.errors import TooManyAttemptsError
from billing.models import RateLimit

THREE: rate_limits.Limit = rate_limits.Limit("tests", 3, minutes=10)


def try_once(db: Database, now: datetime, who: str = "somebody") -> bool:
    try:
        with db.unit_of_work() as session:
            rate_limits.hit(session, THREE, who, now=now)
    except TooManyAttemptsError:
        return False
    return True


def test_of_twenty_at_once_three_get_through(db: Database, now: datetime) -> None:
    with ThreadPoolExecutor(10) as pool:
        got_through = list(pool.map(lambda _: try_once(db, now), range(20)))
    assert sum(got_through) == 3


def test_each_has_a_count_of_their_own_which_starts_again_after_the_window(
    db: Database, now: datetime
) -> None:
    assert [try_once(db, now) for _ in range(4)] == [True, True, True, False]
    assert try_once(db, now, "somebody else")
    assert not try_once(db, now + timedelta(minutes=10) - timedelta(seconds=1))
    later = now + timedelta(minutes=10)
    assert [try_once(db, later) for _ in range(4)] == [True, True, True, False]


def test_the_refusal_says_from_when_to_try_again(db: Database, now: datetime) -> None:
    for _ in range(3):
        try_once(db, now)
    with pytest.raises(TooManyAttemptsError) as refused, db.unit_of_work() as session:
        rate_limits.hit(session, THREE, "somebody", now=now + timedelta(minutes=4))
    assert refused.value.again_at == now + timedelta(minutes=10)


def test_who_tried_is_kept_only_as_a_hash_and_only_for_the_window(
    db: Database, now: datetime
) -> None:
    try_once(db, now, "rosa@example.org")
    with db.unit_of_work() as session:
        assert "rosa" not in session.scalars(sa.select(RateLimit.key)).one()
        rate_limits.forget_expired(session, now=now + timedelta(minutes=9))
        assert session.scalar(sa.select(sa.func.count()).select_from(RateLimit)) == 1
        rate_limits.forget_expired(session, now=now + timedelta(minutes=10))
        assert session.scalar(sa.select(sa.func.count()).select_from(RateLimit)) == 0
