"""The office's page of the paywall: whether the paper is open, the switch, and what is set."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Form
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing.access import break_glass
from billing.access.decide import LAST_KNOWN
from billing.context import Context
from billing.errors import RefusedError
from billing.models import OpenTo, Staff
from billing.web.dependencies import ContextDep, CurrentStaff, NowDep, SessionDep
from billing.web.office_page import OPENS_THE_PAPER, names_of_staff, not_yours, page
from billing.web.typed import Typed

router = APIRouter(prefix="/office/wall", include_in_schema=False)

_ADDRESS: Final = "/office/wall"
_MOST: Final = 50
_TO_WHOM: Final = {
    OpenTo.EVERYONE: "everyone",
    OpenTo.SUBSCRIBERS: "whoever we last knew as a subscriber",
}
_WHEN_DOWN: Final = {
    "open": "everybody reads",
    "passes": "only whoever holds a valid reader pass reads",
    "closed": "nobody reads but what is free to all",
}


class TypedOpening(BaseModel):
    """What somebody chose and typed to open the paper.

    Attributes:
        open_to: None where nothing is chosen.
        hours: as written.
    """

    open_to: OpenTo | None = None
    hours: Annotated[Typed, Field(max_length=10)] = ""
    reason: Annotated[Typed, Field(max_length=1000)] = ""

    def whom(self) -> OpenTo:
        """Return for whom it is to open.

        Raises:
            RefusedError: nothing was chosen.
        """
        if self.open_to is None:
            raise RefusedError("Choose for whom the paper is to open.")
        return self.open_to

    @property
    def number_of_hours(self) -> int:
        """How many hours; none where no number was written."""
        return int(self.hours) if self.hours.isascii() and self.hours.isdigit() else 0


@router.get("")
def show(
    request: Request, context: ContextDep, session: SessionDep, staff: CurrentStaff, now: NowDep
) -> Response:
    """Show how the paywall stands."""
    return _page(request, context, session, staff, now)


@router.post("/open")
def open_paper(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    staff: CurrentStaff,
    now: NowDep,
    typed: Annotated[TypedOpening, Form()],
) -> Response:
    """Open the paper for some hours."""
    if staff.role not in OPENS_THE_PAPER:
        return not_yours(request, session, staff)
    try:
        break_glass.open_paper(
            session,
            open_to=typed.whom(),
            hours=typed.number_of_hours,
            reason=typed.reason,
            actor=f"staff:{staff.id}",
            now=now,
        )
    except RefusedError as refused:
        return _page(request, context, session, staff, now, problem=str(refused), typed=typed)
    return RedirectResponse(_ADDRESS, status_code=303)


@router.post("/close")
def close_paper(
    request: Request, session: SessionDep, staff: CurrentStaff, now: NowDep
) -> Response:
    """End whatever runs. Pressing twice ends it once."""
    if staff.role not in OPENS_THE_PAPER:
        return not_yours(request, session, staff)
    break_glass.close_paper(session, actor=f"staff:{staff.id}", now=now)
    return RedirectResponse(_ADDRESS, status_code=303)


def _page(
    request: Request,
    context: Context,
    session: Session,
    staff: Staff,
    now: datetime,
    *,
    problem: str = "",
    typed: TypedOpening | None = None,
) -> Response:
    return page(
        request,
        session,
        staff,
        "wall",
        status=422 if problem else 200,
        now=now,
        running=break_glass.running(session, now=now),
        openings=break_glass.lately(session, most=_MOST),
        most=_MOST,
        longest=break_glass.LONGEST,
        longest_reason=break_glass.LONGEST_REASON,
        last_known=LAST_KNOWN.days,
        names=names_of_staff(session),
        to_whom=_TO_WHOM,
        when_down=_WHEN_DOWN,
        paywall=context.settings.paywall,
        may_open=staff.role in OPENS_THE_PAPER,
        problem=problem,
        typed=typed or TypedOpening(hours="2"),
    )
