"""How often something may be tried, counted in the database and so across every process.

Whoever tries too often is refused with the time from which to try again. What is counted is kept
only as a hash. A count made in a transaction that is rolled back is not kept; since the refusal
itself rolls back, the count stands still at its limit until the window is over.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.orm import Session

from billing.db import insert_ignore
from billing.errors import TooManyAttemptsError
from billing.models import RateLimit


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries of one thing in so many minutes.

    Attributes:
        what: the thing that is counted; a namespace of its own.
    """

    what: str
    most: int
    minutes: int

    @property
    def item(self) -> RateLimitItem:
        """The same, as the library says it."""
        return RateLimitItemPerMinute(self.most, self.minutes, namespace=self.what)


def hit(session: Session, limit: Limit, *who: str, now: datetime) -> None:
    """Count one try by somebody.

    Raises:
        TooManyAttemptsError: there were too many already.
    """
    limiter = FixedWindowRateLimiter(TableStorage(session, now=now))
    someone = hashlib.sha256("\0".join(who).encode()).hexdigest()[:32]
    if not limiter.hit(limit.item, someone):
        reset_at, _ = limiter.get_window_stats(limit.item, someone)
        raise TooManyAttemptsError(
            f"{limit.what}: more than {limit.most} in {limit.minutes} minutes",
            again_at=datetime.fromtimestamp(reset_at, UTC),
        )


def forget_expired(session: Session, *, now: datetime) -> None:
    """Delete the counts of windows that are over."""
    session.execute(sa.delete(RateLimit).where(RateLimit.expires_at <= now))


class TableStorage(Storage):
    """The library's storage on our table, inside the caller's transaction and at its time."""

    STORAGE_SCHEME = None

    def __init__(self, session: Session, *, now: datetime) -> None:
        super().__init__()
        self._session = session
        self._now = now

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the database may raise."""
        return sa.exc.SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the count; the row's lock makes others wait for it."""
        ends = self._now + timedelta(seconds=expiry)
        counted = self._add(key, amount, ends)
        if counted is None:
            counted = self._session.scalar(
                insert_ignore(self._session, RateLimit)
                .values(key=key, count=amount, expires_at=ends)
                .returning(RateLimit.count)
            )
        if counted is None:  # somebody else's first try came between
            counted = self._add(key, amount, ends)
        return counted or amount

    def get(self, key: str) -> int:
        """Return the count of a window that is not over."""
        return self._read(key, RateLimit.count) or 0

    def get_expiry(self, key: str) -> float:
        """Return when the window is over, in seconds since the epoch."""
        ends: datetime | None = self._read(key, RateLimit.expires_at)
        return (ends or self._now).timestamp()

    def check(self) -> bool:
        """Tell whether the database answers."""
        return self._session.scalar(sa.select(1)) == 1

    def reset(self) -> int | None:
        """Forget every count."""
        self._session.execute(sa.delete(RateLimit))
        return None

    def clear(self, key: str) -> None:
        """Forget one count."""
        self._session.execute(sa.delete(RateLimit).where(RateLimit.key == key))

    def _add(self, key: str, amount: int, ends: datetime) -> int | None:
        over = RateLimit.expires_at <= self._now
        return self._session.scalar(
            sa.update(RateLimit)
            .where(RateLimit.key == key)
            .values(
                count=sa.case((over, amount), else_=RateLimit.count + amount),
                expires_at=sa.case((over, ends), else_=RateLimit.expires_at),
            )
            .returning(RateLimit.count)
            .execution_options(synchronize_session=False)
        )

    def _read(self, key: str, column: Any) -> Any:
        return self._session.scalar(
            sa.select(column).where(RateLimit.key == key, RateLimit.expires_at > self._now)
        )
