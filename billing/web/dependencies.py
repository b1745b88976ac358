"""What a door may ask for: the context, a session, the time, and who is there."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session
from starlette.requests import Request

from billing import sign_in
from billing.context import Context
from billing.models import Reader, Staff
from billing.web import cookies

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(_context)]


def _session(request: Request, context: ContextDep) -> Iterator[Session]:
    opened = context.db.reading() if request.method in _SAFE else context.db.unit_of_work()
    with opened as session:
        yield session


# scope="function": commit before the response leaves. FastAPI's default commits after it, so a
# failed commit would already have told the reader that all was well.
SessionDep = Annotated[Session, Depends(_session, scope="function")]


def _now(context: ContextDep) -> datetime:
    return context.clock.now()


NowDep = Annotated[datetime, Depends(_now)]


def _reader(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep
) -> Reader | None:
    token = cookies.read(request, cookies.READER, context.settings)
    person = sign_in.session_person(session, token, now=now) if token else None
    return person if isinstance(person, Reader) else None


MaybeReader = Annotated[Reader | None, Depends(_reader)]


def _reader_in_passing(request: Request, context: ContextDep, now: NowDep) -> Reader | None:
    token = cookies.read(request, cookies.READER, context.settings)
    if not token:
        return None
    with context.db.reading() as session:
        person = sign_in.session_person(session, token, now=now)
    return person if isinstance(person, Reader) else None


# For doors that go on to ask Stripe: looked up in a session that is closed before they begin.
PassingReader = Annotated[Reader | None, Depends(_reader_in_passing)]


def _staff(request: Request, context: ContextDep, session: SessionDep, now: NowDep) -> Staff | None:
    token = cookies.read(request, cookies.STAFF, context.settings)
    person = sign_in.session_person(session, token, now=now) if token else None
    return person if isinstance(person, Staff) else None


MaybeStaff = Annotated[Staff | None, Depends(_staff)]


class SignInNeededError(Exception):
    """Somebody must sign in first.

    Attributes:
        office: whether the door is the staff's.
    """

    def __init__(self, *, office: bool) -> None:
        super().__init__()
        self.office = office


def _known_reader(reader: MaybeReader) -> Reader:
    if reader is None:
        raise SignInNeededError(office=False)
    return reader


def _known_staff(staff: MaybeStaff) -> Staff:
    if staff is None:
        raise SignInNeededError(office=True)
    return staff


CurrentReader = Annotated[Reader, Depends(_known_reader)]
CurrentStaff = Annotated[Staff, Depends(_known_staff)]
