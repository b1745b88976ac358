"""The meter: which articles somebody without a right has opened in this window, and no more.

The count is the server's. A visitor is known by a signed random id; the table holds keyed hashes of
articles, never their names, and its rows die with their window. Nobody's reading is stored who has
a right to read, nor anybody's who never brings our cookie back: the first article waits in that
cookie, signed, and is counted once the cookie returns.
"""

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
from billing.db import insert_ignore, take_turns
from billing.models import MeterRead
from billing.settings import Settings

_ID_BYTES: Final = 16
_HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Window:
    """The span in which articles are counted: a London calendar month.

    Attributes:
        name: sorts after the names of the windows before it.
        ends_at: the first instant of the next one.
    """

    name: str
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


def window_of(now: datetime) -> Window:
    """Return the window an instant falls in."""
    name = month_of(now)
    return Window(name, start_of_day(month_bounds(name)[1]))


def hash_article(settings: Settings, window: Window, article: str) -> str:
    """Return what is kept of an article: under another key in each window, and secret."""
    secret = settings.secret_key.get_secret_value().encode()
    key = hmac.digest(secret, f"meter:{window.name}".encode(), "sha256")
    return hashlib.blake2b(article.encode(), key=key, digest_size=_HASH_BYTES).hexdigest()


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


def read_so_far(session: Session, subject: str, window: str) -> frozenset[str]:
    """Return the hashes of the articles counted for somebody in a window."""
    return frozenset(
        session.scalars(
            sa.select(MeterRead.article_hash).where(
                MeterRead.window == window, MeterRead.subject == subject
            )
        )
    )


def count(
    session: Session, subject: str, window: Window, *, article_hash: str, first: str, limit: int
) -> frozenset[str]:
    """Count an article unless it would be one too many; return what was counted before it.

    The requests of one person take turns here: two at once could else both be the last free one.

    Args:
        session: a transaction of its own.
        subject: who reads.
        window: of this instant.
        article_hash: the article.
        first: the article that waited in the cookie, or ''.
        limit: free articles in a window.
    """
    take_turns(session, f"meter:{subject}")
    counted = read_so_far(session, subject, window.name)
    if first and first not in counted:
        _add(session, subject, window.name, first)
        counted |= {first}
    if article_hash not in counted and len(counted) < limit:
        _add(session, subject, window.name, article_hash)
    return counted


def carry_over(session: Session, visitor: Visitor, *, to: str) -> None:
    """Unite what a visitor has read in this window with the count of the reader they are.

    The visitor's own rows stay, or signing in and out again would empty the meter.
    """
    read = read_so_far(session, visitor.subject, visitor.window)
    for article_hash in sorted(read | {visitor.first}):
        _add(session, to, visitor.window, article_hash)


def forget_past_windows(session: Session, *, now: datetime) -> None:
    """Delete what was counted in windows that are over."""
    session.execute(sa.delete(MeterRead).where(MeterRead.window < window_of(now).name))


def _add(session: Session, subject: str, window: str, article_hash: str) -> None:
    session.execute(
        insert_ignore(session, MeterRead).values(
            window=window, subject=subject, article_hash=article_hash
        )
    )


def _signer(settings: Settings) -> URLSafeSerializer:
    return URLSafeSerializer(
        settings.secret_key.get_secret_value(),
        salt="visitor",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
