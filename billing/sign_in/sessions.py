"""Signed-in browsers: begun after a proof, found by a cookie's hash, ended by deleting the row."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.models import Reader, SignInRequest, Staff, WebSession
from billing.sign_in.secrets import hash_token, new_token

READER_LASTS: Final = timedelta(days=60)
STAFF_LASTS: Final = timedelta(hours=12)


def begin_session(
    session: Session,
    *,
    reader_id: UUID | None = None,
    staff_id: UUID | None = None,
    now: datetime,
) -> str:
    """Sign one browser in, as a reader or as one of the staff; return the token of its cookie."""
    token = new_token()
    session.add(
        WebSession(
            token_hash=hash_token(token),
            reader_id=reader_id,
            staff_id=staff_id,
            created_at=now,
            expires_at=now + (READER_LASTS if staff_id is None else STAFF_LASTS),
        )
    )
    session.flush()
    return token


def session_person(session: Session, token: str, *, now: datetime) -> Reader | Staff | None:
    """Return who a cookie belongs to; nobody if it is unknown or old, or the person is gone."""
    found = session.execute(
        sa.select(WebSession.staff_id, Reader, Staff)
        .select_from(WebSession)
        .outerjoin(Reader, Reader.id == WebSession.reader_id)
        .outerjoin(Staff, Staff.id == WebSession.staff_id)
        .where(
            WebSession.token_hash == hash_token(token),
            WebSession.expires_at > now,
            sa.or_(Staff.id.is_(None), Staff.active),
            Reader.merged_into.is_(None),
        )
    ).one_or_none()
    if found is None:
        return None
    staff_id, reader, staff = found
    return reader if staff_id is None else staff


def end_session(session: Session, token: str) -> None:
    """Sign one browser out."""
    session.execute(sa.delete(WebSession).where(WebSession.token_hash == hash_token(token)))


def forget_expired(session: Session, *, now: datetime) -> None:
    """Delete the sessions and sign-in requests which time has ended."""
    session.execute(sa.delete(WebSession).where(WebSession.expires_at <= now))
    session.execute(sa.delete(SignInRequest).where(SignInRequest.expires_at <= now))
