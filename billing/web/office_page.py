"""What every page of the office has: who is there, what they may see, and what waits."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from billing import reports
from billing.models import Role, Staff
from billing.web.render import render

SEES_MONEY: Final = frozenset({Role.FINANCE, Role.ADMIN, Role.AUDITOR})
SEES_TO_THINGS: Final = frozenset({Role.FINANCE, Role.ADMIN, Role.SUPPORT})
GIVES_ACCESS: Final = frozenset({Role.SUPPORT, Role.EDITOR, Role.ADMIN})
OPENS_THE_PAPER: Final = frozenset({Role.EDITOR, Role.ADMIN})


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


def names_of_staff(session: Session) -> Mapping[str, str]:
    """Return everybody's name, by how the audit trail names them."""
    everybody = session.execute(sa.select(Staff.id, Staff.name))
    return {f"staff:{staff_id}": name for staff_id, name in everybody}
