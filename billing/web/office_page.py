"""What every page of the office has: who is there, what they may see, and what waits."""

from typing import Any, Final

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from billing import reports
from billing.models import Role, Staff
from billing.web.render import render

SEES_MONEY: Final = frozenset({Role.FINANCE, Role.ADMIN, Role.AUDITOR})
SEES_TO_THINGS: Final = frozenset({Role.FINANCE, Role.ADMIN, Role.SUPPORT})


def page(
    request: Request, session: Session, staff: Staff, name: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """Draw one page of the office."""
    return render(
        request,
        f"office/{name}.html",
        status_code=status,
        staff=staff,
        sees_money=staff.role in SEES_MONEY,
        waiting=reports.waiting(session),
        **values,
    )


def not_yours(request: Request, session: Session, staff: Staff) -> Response:
    """Tell somebody that this is not for their role."""
    return page(request, session, staff, "not_yours", status=403)
