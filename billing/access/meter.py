"""The meter: which articles somebody without a right has opened in this window, and no more.

The count is the server's. A visitor is known by a signed random id; the table holds keyed hashes of
articles, never their names, and its rows die with their window. Nobody's reading is stored who has
a right to read, nor anybody's who never brings our cookie back: the first article waits in that
cookie, signed, and is counted once the cookie returns.
"""

import functools
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from billing.clock import month_bounds, month_of, start_of_day
from billing.models import Meter
from billing.readers.meters import HASH, joined, unite
from billing.settings import Settings

_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Window:
    """The span in which articles are counted: a London calendar month.

    Attributes:
        name: sorts after the names of the windows before it.
        starts_at: its first instant.
        ends_at: the first instant of the next one.
    """

    name: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody known only by a cookie, in one window.

    Attributes:
        first: the hash of the first article, which may not be counted in the table yet.
    """

    id: str
    window: str
    first: str

    @classmethod
    def meet(cls, window: Window, article_hash: str) -> Self:
        """Name somebody who brought no cookie of this window."""
        return cls(secrets.token_urlsafe(_ID_BYTES), window.name, article_hash)

    @property
    def subject(self) -> str:
        """The name under which the meter counts them."""
        return f"v:{self.id}"


class Hashes:
    """What is kept of articles in one window: hashes under a key of its own, which is secret."""

    def __init__(self, settings: Settings, window: Window) -> None:
        secret = settings.secret_key.get_secret_value().encode()
        key = hmac.digest(secret, f"meter:{window.name}".encode(), "sha256")
        self._empty = hashlib.blake2b(key=key, digest_size=HASH)

    def of(self, article: str) -> str:
        """Return what is kept of an article."""
        made = self._empty.copy()
        made.update(article.encode())
        return made.hexdigest()[:HASH]


class Calendar:
    """The window of each instant and its hashes; worked out once for each window."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._latest: tuple[Window, Hashes] | None = None

    def at(self, now: datetime) -> tuple[Window, Hashes]:
        """Return the window an instant falls in, and its hashes."""
        latest = self._latest
        if latest is None or not latest[0].starts_at <= now < latest[0].ends_at:
            window = window_of(now)
            latest = self._latest = (window, Hashes(self._settings, window))
        return latest


def window_of(now: datetime) -> Window:
    """Return the window an instant falls in."""
    name = month_of(now)
    first, following = month_bounds(name)
    return Window(name, start_of_day(first), start_of_day(following))


def write_cookie(settings: Settings, visitor: Visitor) -> str:
    """Return the visitor as a signed cookie."""
    return _signer(settings).dumps([visitor.id, visitor.window, visitor.first])


def read_cookie(settings: Settings, cookie: str, window: Window) -> Visitor | None:
    """Return the visitor a cookie names; None if it is not ours, or of a window that is over."""
    try:
        visitor = Visitor(*_signer(settings).loads(cookie))
    except (BadData, TypeError):
        return None
    return visitor if visitor.window == window.name else None


def number_of(articles: str) -> int:
    """Return how many articles a row holds."""
    return len(articles) // HASH


def carry_over(session: Session, visitor: Visitor, *, to: str) -> None:
    """Unite what a visitor has read in this window with the count of the reader they are.

    The visitor's own row stays, or signing in and out again would empty the meter.
    """
    read = session.scalar(
        sa.select(Meter.articles).where(
            Meter.window == visitor.window, Meter.subject == visitor.subject
        )
    )
    unite(session, visitor.window, joined(visitor.first, read or ""), to=to)


def forget_past_windows(session: Session, *, now: datetime) -> None:
    """Delete what was counted in windows that are over."""
    session.execute(sa.delete(Meter).where(Meter.window < window_of(now).name))


def _signer(settings: Settings) -> URLSafeSerializer:
    return _signer_of(settings.secret_key.get_secret_value())


@functools.lru_cache(maxsize=4)
def _signer_of(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt="visitor",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
