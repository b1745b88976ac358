"""The office's pages of readers: find one, what the wall answers them and why, and comps."""

from datetime import UTC, date, datetime
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Query
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import readers
from billing.access import break_glass, comps
from billing.access.decide import Policy
from billing.access.explain import earlier_selves, ever_known, explain
from billing.clock import LONDON, accounting_day
from billing.context import Context
from billing.errors import RefusedError
from billing.models import EntitlementSource, Reader, Staff
from billing.web.dependencies import ContextDep, CurrentStaff, NowDep, SessionDep
from billing.web.office_page import GIVES_ACCESS, names_of_staff, not_yours, page
from billing.web.typed import Typed

router = APIRouter(prefix="/office/readers", include_in_schema=False)

_MOST: Final = 200
_YEARS: Final = range(2000, 3000)  # nothing of ours is older, and a calendar has an end
_GIVEN: Final = {
    EntitlementSource.COMP: "A comp: the paper gives it",
    EntitlementSource.STAFF: "They work for the paper",
    EntitlementSource.OFFLINE: "They pay in print, or in another way than by Stripe",
}
_CALLED: Final = {
    EntitlementSource.SUBSCRIPTION: "Subscription",
    EntitlementSource.OFFLINE: "Paid in print or past Stripe",
    EntitlementSource.SEAT: "Seat",
    EntitlementSource.GIFT: "Gift",
    EntitlementSource.COMP: "Comp",
    EntitlementSource.STAFF: "Staff",
    EntitlementSource.GRACE: "Grace",
    EntitlementSource.PROVISIONAL: "While we looked at Stripe",
}


def _read_moment(moment: datetime) -> datetime:
    """Take a moment that names no zone as London's."""
    if moment.year not in _YEARS:
        raise ValueError("no moment of ours")
    return (moment if moment.tzinfo else moment.replace(tzinfo=LONDON)).astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_read_moment)]
Day = Annotated[Typed, Field(max_length=10)]


class TypedRight(BaseModel):
    """What somebody chose and typed to give a right.

    Attributes:
        source: None where nothing is chosen.
        since, until: days as a browser writes them; '' for none.
        press: drawn with the button, so that pressing it twice gives one right.
    """

    source: EntitlementSource | None = None
    since: Day = ""
    until: Day = ""
    reason: Annotated[Typed, Field(max_length=1000)] = ""
    press: UUID = Field(default_factory=uuid4)

    def kind(self) -> EntitlementSource:
        """Return what was chosen.

        Raises:
            RefusedError: nothing was.
        """
        if self.source is None:
            raise RefusedError("Choose what kind of access it is.")
        return self.source


@router.get("")
def find(
    request: Request, session: SessionDep, staff: CurrentStaff, q: Annotated[Typed, Query()] = ""
) -> Response:
    """Show the form that finds a reader, and lead to whoever is found."""
    return _look_up(request, session, staff, q)


@router.post("")
def find_unseen(
    request: Request,
    session: SessionDep,
    staff: CurrentStaff,
    q: Annotated[Typed, Form(max_length=300)] = "",
) -> Response:
    """Lead to whoever is found. What is typed may be an e-mail address, and no log keeps a form."""
    return _look_up(request, session, staff, q)


@router.get("/{reader_id}")
def show(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    staff: CurrentStaff,
    now: NowDep,
    reader_id: UUID,
    at: Annotated[Moment | None, Query()] = None,
) -> Response:
    """Show a reader's rights by both clocks, and what the wall answers now or at a moment."""
    reader = readers.find(session, reader_id)
    if reader is None:
        raise HTTPException(404)
    return _page(request, context, session, staff, reader, now, at=at)


@router.post("/{reader_id}/rights")
def give(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    staff: CurrentStaff,
    now: NowDep,
    reader_id: UUID,
    typed: Annotated[TypedRight, Form()],
) -> Response:
    """Give a reader a right to read."""
    if staff.role not in GIVES_ACCESS:
        return not_yours(request, session, staff)
    reader = readers.find(session, reader_id)
    if reader is None:
        raise HTTPException(404)
    try:
        comps.give(
            session,
            reader.id,
            source=typed.kind(),
            since=_read_day(typed.since),
            until=_read_day(typed.until),
            reason=typed.reason,
            actor=f"staff:{staff.id}",
            now=now,
            press=typed.press,
        )
    except RefusedError as refused:
        return _page(
            request, context, session, staff, reader, now, problem=str(refused), typed=typed
        )
    return RedirectResponse(f"/office/readers/{reader.id}#rights", status_code=303)


@router.post("/{reader_id}/rights/{row_id}/end")
def end(
    request: Request,
    session: SessionDep,
    staff: CurrentStaff,
    now: NowDep,
    reader_id: UUID,
    row_id: UUID,
) -> Response:
    """End a right that staff gave. Pressing twice ends it once."""
    if staff.role not in GIVES_ACCESS:
        return not_yours(request, session, staff)
    reader = readers.find(session, reader_id)
    if reader is None:
        raise HTTPException(404)
    try:
        comps.end(session, reader.id, row_id, actor=f"staff:{staff.id}", now=now)
    except RefusedError as nothing:
        raise HTTPException(404) from nothing
    return RedirectResponse(f"/office/readers/{reader_id}#rights", status_code=303)


def _look_up(request: Request, session: Session, staff: Staff, asked: str) -> Response:
    name = asked.strip()
    if not name:
        return page(request, session, staff, "readers", asked="")
    try:
        reader = readers.named(session, name)
    except RefusedError:
        return page(request, session, staff, "readers", asked=name[:300], status=404)
    return RedirectResponse(f"/office/readers/{reader.id}", status_code=303)


def _read_day(written: str) -> date | None:
    if not written:
        return None
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise RefusedError("Write a day like 2026-11-20.") from None
    if day.year not in _YEARS:
        raise RefusedError("Choose a day between 2000 and 2999.")
    return day


def _page(
    request: Request,
    context: Context,
    session: Session,
    staff: Staff,
    reader: Reader,
    now: datetime,
    *,
    at: datetime | None = None,
    problem: str = "",
    typed: TypedRight | None = None,
) -> Response:
    policy = Policy(context.settings.paywall.limit_of(signed_in=True))
    earlier = earlier_selves(session, reader.id)
    everybody = [reader.id, *earlier]
    then = [(who, explain(session, who, at=at, policy=policy)) for who in everybody] if at else []
    return page(
        request,
        session,
        staff,
        "reader",
        status=422 if problem else 200,
        reader=reader,
        earlier=earlier,
        now=now,
        answer=explain(session, reader.id, at=now, policy=policy),
        at=at,
        # Of earlier selves only what something was known of is of interest.
        then=[(who, each) for who, each in then if who == reader.id or each.known],
        rows=ever_known(session, everybody, now=now, most=_MOST),
        most=_MOST,
        called=_CALLED,
        given=_GIVEN,
        acts=comps.acts(session, everybody),
        names=names_of_staff(session),
        pass_minutes=context.settings.paywall.pass_minutes,
        today=accounting_day(now),
        asked_at=(at or now).astimezone(LONDON).strftime("%Y-%m-%dT%H:%M"),
        longest_reason=break_glass.LONGEST_REASON,
        may_give=staff.role in GIVES_ACCESS,
        problem=problem,
        typed=typed or TypedRight(),
    )
