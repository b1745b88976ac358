"""The office's page about Stripe: how well we hear it, and what we could not handle."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import audit, reconciliation
from billing.models import Feed, OwedState
from billing.web.dependencies import CurrentStaff, NowDep, SessionDep
from billing.web.office_page import SEES_TO_THINGS, not_yours, page

router = APIRouter(prefix="/office/stripe", include_in_schema=False)

_ADDRESS: Final = "/office/stripe"
_FEEDS: Final = {
    Feed.EVENTS: "In the list of events at Stripe",
    Feed.SWEEP: "By comparing everything with Stripe",
    Feed.LOOK: "When a reader was about to be refused",
    Feed.HAND: "Because somebody asked",
    Feed.ADOPTION: "While an account was taken over",
}
_WINDOWS: Final = {timedelta(hours=24): "The last 24 hours", timedelta(days=7): "The last 7 days"}

EventId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_]{1,255}$")]


@router.get("")
def show(request: Request, session: SessionDep, staff: CurrentStaff, now: NowDep) -> Response:
    """Show how we and Stripe stand."""
    return page(
        request,
        session,
        staff,
        "stripe",
        health=reconciliation.health(session, now=now),
        feeds=_FEEDS,
        windows=_WINDOWS,
        may_try=staff.role in SEES_TO_THINGS,
    )


@router.post("/events/{event_id}/try-again")
def try_again(
    request: Request, session: SessionDep, staff: CurrentStaff, now: NowDep, event_id: EventId
) -> Response:
    """Owe an event again that was set aside. Pressing twice owes it once."""
    if staff.role not in SEES_TO_THINGS:
        return not_yours(request, session, staff)
    row = reconciliation.find_event(session, event_id)
    if row is None:
        raise HTTPException(404)
    if row.state is OwedState.PARKED:
        reconciliation.replay_event(session, event_id, now=now)
        audit.record(
            session,
            actor=f"staff:{staff.id}",
            action="event replayed",
            subject=f"event:{event_id}",
            now=now,
            type=row.type,
            reason=row.last_error[:300],
        )
    return RedirectResponse(_ADDRESS, status_code=303)
