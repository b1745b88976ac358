"""The office: what went to the bank, and whether each payout is the sum of its movements."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from billing import reports
from billing.money import Money
from billing.web.dependencies import CurrentStaff, SessionDep
from billing.web.office_page import SEES_MONEY, not_yours, page

router = APIRouter(prefix="/office", include_in_schema=False)

_MOST: Final = 100  # some three months of working days


@router.get("/payouts")
def show_payouts(request: Request, session: SessionDep, staff: CurrentStaff) -> Response:
    """Show the newest payouts, each with what it is made of."""
    if staff.role not in SEES_MONEY:
        return not_yours(request, session, staff)
    return page(
        request,
        session,
        staff,
        "payouts",
        payouts=reports.payouts(session, most=_MOST),
        standing=reports.Standing,
        most=_MOST,
        money_of=Money,
    )
