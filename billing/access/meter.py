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
from datetime import datetime, timedelta
from typing import Final, Self

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from billing.clock import month_bounds, month_of, start_of_day
from billing.db import insert_ignore
from billing.models import Meter, MeterKey, MeterRead
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
    """What is kept of articles in one window: hashes under a key that cannot be made again.

    It needs our secret and the window's salt, and the salt is deleted with the window.
    """

    def __init__(self, settings: Settings, window: Window, salt: str) -> None:
        secret = settings.secret_key.get_secret_value().encode()
        key = hmac.digest(secret, f"meter:{window.name}:{salt}".encode(), "sha256")
        self._empty = hashlib.blake2b(key=key, digest_size=HASH // 2)
        self.of = functools.lru_cache(maxsize=4096)(self._of)  # many read the same articles

    def _of(self, article: str) -> str:
        """Return what is kept of an article."""
        made = self._empty.copy()
        made.update(article.encode())
        return made.hexdigest()


def salt_of(session: Session, window: Window) -> str | None:
    """Return a window's salt; None before anybody has asked in it."""
    return session.scalar(sa.select(MeterKey.salt).where(MeterKey.window == window.name))


def begin_window(session: Session, window: Window) -> str:
    """Draw a window's salt, unless somebody else was quicker; return the one that stands."""
    drawn = secrets.token_hex(32)
    session.execute(insert_ignore(session, MeterKey).values(window=window.name, salt=drawn))
    return salt_of(session, window) or drawn


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
        visitor_id, named, first = _signer(settings).loads(cookie)
    except (BadData, TypeError, ValueError):
        return None
    # The release before wrote longer hashes, each of which would count as two.
    return Visitor(visitor_id, named, first[:HASH]) if named == window.name else None


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
    """Delete what was counted in windows that are over, and what its hashes were made with.

    A day late, since clocks differ; and the next window is begun before anybody asks in it.
    """
    past = window_of(now - timedelta(days=1)).name
    for table in (Meter, MeterKey, MeterRead):
        session.execute(sa.delete(table).where(table.window < past))
    begin_window(session, window_of(window_of(now).ends_at))


def _signer(settings: Settings) -> URLSafeSerializer:
    return _signer_of(settings.secret_key.get_secret_value())


@functools.lru_cache(maxsize=4)
def _signer_of(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt="visitor",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
