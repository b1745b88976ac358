"""Gift links: a subscriber passes one article on, and whoever has the link may read it.

Who opened a link is written down nowhere: the table counts, and what a browser may read by it waits
in that browser's own cookie, signed. Of a link's secret only a hash is kept.
"""

import base64
import functools
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from billing import readers
from billing.access.entitlements import rights_of
from billing.access.meter import window_of
from billing.access.reasons import Reason
from billing.db import changed_one
from billing.errors import RefusedError
from billing.models import GiftLink
from billing.settings import Settings

MOST_A_MONTH: Final = 10  # for one reader, in a London month; those taken back among them
MOST_OPENS: Final = 50
LASTS: Final = timedelta(days=14)
# A cookie has room for some 4,000 characters, and an article's id may have 200.
MOST_KEPT: Final = 8
_TOKEN_BYTES: Final = 24

# What is paid for or given; whoever reads on trust, or because all do, passes nothing on.
_MAY_GIVE: Final = frozenset(
    {Reason.SUBSCRIBER, Reason.OFFLINE, Reason.SEAT, Reason.GIFT, Reason.COMP, Reason.STAFF}
)

# For the check, which asks the driver itself: a link that is gone has no row.
STILL_GOOD: Final = sa.select(GiftLink.expires_at, GiftLink.revoked_at).where(
    GiftLink.id == sa.bindparam("link_id", type_=sa.Uuid())
)


class MayNotGiveError(RefusedError):
    """Only who has a paid or given right may pass articles on."""


class NoGiftLeftError(RefusedError):
    """The reader has passed on as many articles as one may in a month."""


@dataclass(frozen=True, slots=True)
class Gift:
    """What one browser may read by a link it has opened."""

    link_id: UUID
    article: str
    expires_at: datetime


def give(
    session: Session, reader_id: UUID, article: str, *, now: datetime, token: str = ""
) -> tuple[GiftLink, str]:
    """Make a link to one article; return it and its secret, which cannot be told again.

    Args:
        session: the door's transaction.
        reader_id: who passes it on.
        article: the paper's stable id of it.
        now: this instant.
        token: of `token_of`, which gives one link however often it is asked; '' for a new one.

    Raises:
        MayNotGiveError: they have no right that lets them.
        NoGiftLeftError: they have passed on enough this month.
        RefusedError: the link of this token was made before, and is over.
    """
    giver = readers.hold(session, reader_id)  # of two at once, one waits: both could be the last
    if giver is None or not may_give(session, giver.id, now=now):
        raise MayNotGiveError("no right that holds now lets this reader pass articles on")
    token = token or secrets.token_urlsafe(_TOKEN_BYTES)
    link = session.scalar(sa.select(GiftLink).where(GiftLink.token_hash == _hash(token)))
    if link is not None:
        if link.revoked_at is not None or link.expires_at <= now:
            raise RefusedError("a form was sent again whose link is over")
        return link, token
    if left(session, giver.id, now=now) == 0:
        raise NoGiftLeftError(f"{MOST_A_MONTH} links were made this month")
    link = GiftLink(
        reader_id=giver.id,
        article=article,
        token_hash=_hash(token),
        created_at=now,
        expires_at=now + LASTS,
        opens=0,
    )
    session.add(link)
    session.flush()
    return link, token


def token_of(settings: Settings, reader_id: UUID, article: str, press: str) -> str:
    """Return the token for one press of a button, so that pressing twice makes one link.

    Args:
        settings: for our secret, without which nobody can work it out.
        reader_id: who presses it.
        article: what it passes on.
        press: drawn with the button.
    """
    key = settings.secret_key.get_secret_value().encode()
    pressed = f"gift link\0{reader_id.hex}\0{article}\0{press}"
    made = hmac.digest(key, pressed.encode(), "sha256")[:_TOKEN_BYTES]
    return base64.urlsafe_b64encode(made).decode()


def may_give(session: Session, reader_id: UUID, *, now: datetime) -> bool:
    """Tell whether a reader has a right that lets them pass articles on."""
    rights = rights_of(session, reader_id, now=now)
    return any(right.reason in _MAY_GIVE and right.holds(now) for right in rights)


def left(session: Session, reader_id: UUID, *, now: datetime) -> int:
    """Return how many articles a reader may still pass on this month."""
    given = session.scalar(
        sa.select(sa.func.count())
        .select_from(GiftLink)
        .where(GiftLink.reader_id == reader_id, GiftLink.created_at >= window_of(now).starts_at)
    )
    return max(0, MOST_A_MONTH - (given or 0))


def of(session: Session, reader_id: UUID, *, now: datetime) -> Sequence[GiftLink]:
    """Return a reader's links of this month and those that still run, newest first."""
    return session.scalars(
        sa.select(GiftLink)
        .where(GiftLink.reader_id == reader_id, sa.not_(_past(now)))
        .order_by(GiftLink.created_at.desc(), GiftLink.id)
    ).all()


def find(session: Session, token: str, *, held: Iterable[Gift], now: datetime) -> GiftLink | None:
    """Return the link of a token while this browser may use it; uses nothing up.

    Args:
        session: to read with.
        token: from the link.
        held: what the browser's cookie holds already.
        now: this instant.
    """
    link = session.scalar(
        sa.select(GiftLink).where(GiftLink.token_hash == _hash(token), *_runs(now))
    )
    if link is None or (link.opens >= MOST_OPENS and not _holds(held, link)):
        return None
    return link


def redeem(session: Session, token: str, *, held: Sequence[Gift], now: datetime) -> GiftLink | None:
    """Count one browser on a link, unless it holds the link already; None where it does not work.

    Args:
        session: the door's transaction.
        token: from the link.
        held: what the browser's cookie holds already.
        now: this instant.
    """
    link = find(session, token, held=held, now=now)
    if link is None or _holds(held, link):
        return link
    return session.scalar(
        sa.update(GiftLink)
        .where(GiftLink.id == link.id, GiftLink.opens < MOST_OPENS, *_runs(now))
        .values(opens=GiftLink.opens + 1)
        .returning(GiftLink)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def revoke(session: Session, reader_id: UUID, link_id: UUID, *, now: datetime) -> None:
    """Take a link back, for those who have opened it too; once is enough.

    Raises:
        RefusedError: the reader has no such link.
    """
    theirs = sa.and_(GiftLink.id == link_id, GiftLink.reader_id == reader_id)
    running = sa.update(GiftLink).where(theirs, GiftLink.revoked_at.is_(None))
    if changed_one(session, running.values(revoked_at=now)):
        return
    if session.scalar(sa.select(GiftLink.id).where(theirs)) is None:
        raise RefusedError("this reader has no such gift link")


def forget_past(session: Session, *, now: datetime) -> None:
    """Delete the links that are over, once the month is too in which they are counted."""
    session.execute(sa.delete(GiftLink).where(_past(now)))


def read_cookie(settings: Settings, cookie: str, *, now: datetime) -> tuple[Gift, ...]:
    """Return the gifts in a cookie that still run; none if it is not ours. Never fails."""
    if not cookie:
        return ()
    try:
        gifts = [
            Gift(UUID(link_id), article, datetime.fromtimestamp(ends, UTC))
            for link_id, article, ends in _signer(settings).loads(cookie)
        ]
    except (BadData, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return ()
    return tuple(gift for gift in gifts if gift.expires_at > now)


def write_cookie(settings: Settings, gifts: Sequence[Gift]) -> str:
    """Return gifts as a signed cookie: the newest of them, where there are many."""
    return _signer(settings).dumps(
        [
            [gift.link_id.hex, gift.article, int(gift.expires_at.timestamp())]
            for gift in gifts[-MOST_KEPT:]
        ]
    )


def with_link(held: Iterable[Gift], link: GiftLink) -> tuple[Gift, ...]:
    """Return what a browser holds once it has opened a link; of an article, the newest alone."""
    others = tuple(gift for gift in held if gift.article != link.article)
    return (*others, Gift(link.id, link.article, link.expires_at))[-MOST_KEPT:]


def _holds(held: Iterable[Gift], link: GiftLink) -> bool:
    return any(gift.link_id == link.id for gift in held)


def _runs(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return GiftLink.revoked_at.is_(None), GiftLink.expires_at > now


def _past(now: datetime) -> sa.ColumnElement[bool]:
    """What neither works nor counts any more."""
    return sa.and_(GiftLink.expires_at <= now, GiftLink.created_at < window_of(now).starts_at)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _signer(settings: Settings) -> URLSafeSerializer:
    return _signer_of(settings.secret_key.get_secret_value())


@functools.lru_cache(maxsize=4)
def _signer_of(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt="gift",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
