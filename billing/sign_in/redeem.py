"""Redeem a link or a code: once, in time, and the code only in the browser that asked.

A wrong try is an answer (None), never an error: the count of tries must be committed.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import rate_limits
from billing.models import Audience, SignInRequest
from billing.settings import Settings
from billing.sign_in.secrets import hash_code, hash_token

MOST_TRIES: Final = 5
# A million codes, five tries each: without a daily limit somebody patient would get in one day.
_CODES_PER_ADDRESS: Final = rate_limits.Limit("sign-in codes", 20, minutes=24 * 60)


@dataclass(frozen=True, slots=True)
class Proof:
    """Somebody reads the mail of this address.

    Attributes:
        next_path: where they were going, or ''.
        same_browser: whether they proved it in the browser that asked.
    """

    email: str
    next_path: str
    same_browser: bool


def address_of_link(session: Session, token: str, *, audience: Audience, now: datetime) -> str:
    """Return the address a link signs in, while it can be; else ''.

    Uses nothing up: scanners follow links too.
    """
    return (
        session.scalar(sa.select(SignInRequest.email).where(*_open_link(token, audience, now)))
        or ""
    )


def redeem_link(
    session: Session, token: str, *, audience: Audience, browser: str, now: datetime
) -> Proof | None:
    """Use a link up; None where it is unknown, used or too old.

    Args:
        session: the door's transaction.
        token: from the link.
        audience: whose door it is redeemed at.
        browser: the secret of this browser's sign-in cookie, or ''.
        now: this instant.
    """
    used = session.execute(
        sa.update(SignInRequest)
        .where(*_open_link(token, audience, now))
        .values(used_at=now)
        .returning(SignInRequest.email, SignInRequest.next_path, SignInRequest.browser_hash)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if used is None:
        return None
    same_browser = bool(browser) and hmac.compare_digest(used.browser_hash, hash_token(browser))
    return Proof(used.email, used.next_path, same_browser)


def redeem_code(
    session: Session, settings: Settings, code: str, *, browser: str, now: datetime
) -> Proof | None:
    """Use up the code of the newest request this browser made; None where it is wrong or too late.

    Raises:
        TooManyAttemptsError: too many codes were tried for the address today; its links still work.
    """
    asked = _count_try(session, browser=browser, now=now)
    if asked is None:
        return None
    rate_limits.hit(session, _CODES_PER_ADDRESS, asked.email, now=now)
    typed = "".join(c for c in code if c.isdecimal())  # people type spaces
    if not hmac.compare_digest(asked.code_hash, hash_code(settings, asked.id, typed)):
        return None
    used = session.scalar(
        sa.update(SignInRequest)
        .where(SignInRequest.id == asked.id, SignInRequest.used_at.is_(None))
        .values(used_at=now)
        .returning(SignInRequest.id)
        .execution_options(synchronize_session=False)
    )
    return None if used is None else Proof(asked.email, asked.next_path, same_browser=True)


def _open_link(token: str, audience: Audience, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        SignInRequest.token_hash == hash_token(token),
        SignInRequest.audience == audience,
        SignInRequest.used_at.is_(None),
        SignInRequest.expires_at > now,
    )


def _count_try(session: Session, *, browser: str, now: datetime) -> SignInRequest | None:
    """Count one try on the browser's newest request, while it has tries left."""
    newest = (
        sa.select(SignInRequest.id)
        .where(
            SignInRequest.browser_hash == hash_token(browser),
            SignInRequest.audience == Audience.READER,
        )
        .order_by(SignInRequest.created_at.desc(), SignInRequest.id)
        .limit(1)
        .scalar_subquery()
    )
    return session.scalar(
        sa.update(SignInRequest)
        .where(
            SignInRequest.id == newest,
            SignInRequest.code_hash != "",
            SignInRequest.code_attempts < MOST_TRIES,
            SignInRequest.used_at.is_(None),
            SignInRequest.expires_at > now,
        )
        .values(code_attempts=SignInRequest.code_attempts + 1)
        .returning(SignInRequest)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
