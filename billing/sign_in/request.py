"""Ask to sign in: a link and a code are mailed. The answer never tells who is known to us."""

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import outbox, rate_limits
from billing.models import Audience, SignInRequest, Staff
from billing.notices import SignIn
from billing.settings import Settings
from billing.sign_in.address import local_path, normalise
from billing.sign_in.secrets import hash_code, hash_token, new_code, new_token

LASTS: Final = timedelta(minutes=20)
_PER_ADDRESS: Final = rate_limits.Limit("sign-in address", 5, minutes=15)
_PER_CALLER: Final = rate_limits.Limit("sign-in caller", 60, minutes=60)
_PER_BROWSER: Final = rate_limits.Limit("sign-in browser", 10, minutes=60)


def request(
    session: Session,
    settings: Settings,
    *,
    audience: Audience,
    email: str,
    next_path: str,
    browser: str,
    caller: str,
    now: datetime,
) -> None:
    """Mail a link, and for readers a code, to whoever reads the mail of an address.

    For the office only active staff get mail; everything else is done for everybody, so that
    neither the answer nor its time tells who works there.

    Args:
        session: the door's transaction.
        settings: for our own address and the key of the code's hash.
        audience: whose door.
        email: as typed.
        next_path: where to go afterwards; anything but a path of ours is dropped.
        browser: the secret of the asking browser's cookie, to which the code is tied.
        caller: the network address the request came from.
        now: this instant.

    Raises:
        AddressError: what was typed is no address.
        TooManyAttemptsError: too many asked for this address, or from there.
    """
    address = normalise(email)
    rate_limits.hit(session, _PER_CALLER, caller, now=now)
    rate_limits.hit(session, _PER_BROWSER, browser, now=now)
    # Last: whoever is refused for asking too often must not use up the tries of others.
    rate_limits.hit(session, _PER_ADDRESS, audience, address, now=now)
    code = new_code() if audience is Audience.READER else ""
    asked, token = issue(
        session,
        settings,
        audience=audience,
        email=address,
        code=code,
        next_path=next_path,
        browser=browser,
        now=now,
    )
    notice = SignIn(
        link=link_of(settings.public_url, audience, token),
        code=code,
        expires_at=asked.expires_at,
        office=audience is Audience.OFFICE,
    )
    to = address if audience is Audience.READER or _works_here(session, address) else ""
    outbox.owe(session, notice, to=to, fact=f"sign-in:{asked.id}", now=now)


def issue(
    session: Session,
    settings: Settings,
    *,
    audience: Audience,
    email: str,
    now: datetime,
    code: str = "",
    next_path: str = "",
    browser: str = "",
) -> tuple[SignInRequest, str]:
    """Write down a sign-in that may be redeemed once; return it and its token. Mails nothing."""
    token, request_id = new_token(), uuid4()
    asked = SignInRequest(
        id=request_id,
        audience=audience,
        email=email,
        token_hash=hash_token(token),
        code_hash=hash_code(settings, request_id, code) if code else "",
        browser_hash=hash_token(browser) if browser else "",
        next_path=local_path(next_path),
        created_at=now,
        expires_at=now + LASTS,
    )
    session.add(asked)
    session.flush()
    return asked, token


def link_of(base_url: str, audience: Audience, token: str) -> str:
    """Return the address of a sign-in link."""
    door = "/office/sign-in" if audience is Audience.OFFICE else "/sign-in"
    return f"{base_url.rstrip('/')}{door}/{token}"


def awaiting(session: Session, *, browser: str, now: datetime) -> str:
    """Return the address a browser last asked a code for and may still type it, or ''."""
    return (
        session.scalar(
            sa.select(SignInRequest.email)
            .where(
                SignInRequest.browser_hash == hash_token(browser),
                SignInRequest.audience == Audience.READER,
                SignInRequest.used_at.is_(None),
                SignInRequest.expires_at > now,
            )
            .order_by(SignInRequest.created_at.desc())
            .limit(1)
        )
        or ""
    )


def _works_here(session: Session, address: str) -> bool:
    found = session.scalar(sa.select(Staff.id).where(Staff.email == address, Staff.active))
    return found is not None
