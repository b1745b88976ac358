"""The office: a month's receipts, the files of it, and what waits for somebody.

Only finance, administrators and auditors see money; auditors change nothing.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from billing import audit, reports, tasks
from billing.context import Context
from billing.models import Staff
from billing.money import Money
from billing.reports.receipts import Receipts
from billing.web import bars
from billing.web.dependencies import ContextDep, CurrentStaff, NowDep, SessionDep
from billing.web.office_page import SEES_MONEY, SEES_TO_THINGS, not_yours, page

router = APIRouter(prefix="/office", include_in_schema=False)

# A mail brings its styles with it, and nothing else may run or load.
_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
)

Asked = Annotated[str, Query(alias="month")]
TaskId = Annotated[int, Path(ge=1, lt=2**63)]  # as far as a database counts


@router.get("")
@router.get("/receipts")
def receipts(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    staff: CurrentStaff,
    now: NowDep,
    month: Asked = "",
) -> Response:
    """Show a month's receipts by fund, and what they are checked against."""
    if staff.role not in SEES_MONEY:
        if request.url.path == router.prefix:
            return RedirectResponse("/office/tasks", status_code=303)
        return not_yours(request, session, staff)
    try:
        chosen = reports.read_month(month) if month else reports.month_at(now)
    except reports.MonthError:
        return _no_such_month(request, session, staff, now=now)
    found = reports.receipts_by_fund(session, chosen)
    return page(
        request,
        session,
        staff,
        "receipts",
        receipts=found,
        month=chosen,
        months=reports.months_so_far(session, now=now),
        chart=_chart(found),
        stamp=_stamp(context, staff, now),
        money_of=Money,
    )


@router.get("/exports/{name}.csv")
def download(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    staff: CurrentStaff,
    now: NowDep,
    name: Literal["payments", "trial-balance"],
    month: Asked = "",
) -> Response:
    """Send a month's report as a file, as it is read."""
    if staff.role not in SEES_MONEY:
        return not_yours(request, session, staff)
    try:
        chosen = reports.read_month(month) if month else reports.month_at(now)
    except reports.MonthError:
        return _no_such_month(request, session, staff, now=now)
    with context.db.unit_of_work() as own:
        subject = reports.file_name(name, chosen)
        audit.record(own, actor=f"staff:{staff.id}", action="exported", subject=subject, now=now)
    pieces = _pieces(context, name, chosen, _stamp(context, staff, now))
    # The first piece is read before the answer begins: a database that is down says so.
    return StreamingResponse(
        chain((next(pieces),), pieces),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{subject}"',
            "Cache-Control": "private, no-store",
        },
    )


@router.get("/tasks")
def show_tasks(request: Request, session: SessionDep, staff: CurrentStaff) -> Response:
    """Show what waits for somebody."""
    return page(
        request,
        session,
        staff,
        "tasks",
        tasks=tasks.open_tasks(session),
        may_close=staff.role in SEES_TO_THINGS,
    )


@router.post("/tasks/{task_id}/close")
def close_task(
    request: Request, session: SessionDep, staff: CurrentStaff, now: NowDep, task_id: TaskId
) -> Response:
    """Mark a task as seen to. Closing it again changes nothing."""
    if staff.role not in SEES_TO_THINGS:
        return not_yours(request, session, staff)
    closed = tasks.close_task(session, task_id, now=now)
    if closed is not None:
        audit.record(
            session,
            actor=f"staff:{staff.id}",
            action="task closed",
            subject=f"task:{task_id}",
            now=now,
            kind=closed.kind,
            about=closed.subject,
        )
    return RedirectResponse("/office/tasks", status_code=303)


@router.get("/mail")
def show_mails(
    request: Request, session: SessionDep, context: ContextDep, staff: CurrentStaff
) -> Response:
    """Show every mail we send, with sample values."""
    return page(request, session, staff, "mail", mails=_samples(request, context))


@router.get("/mail/{kind}")
def show_mail(
    request: Request, context: ContextDep, staff: CurrentStaff, kind: str
) -> HTMLResponse:
    """Show one mail as a reader's mail program draws it."""
    del staff  # only that somebody of the office asks
    mails = _samples(request, context)
    if kind not in mails:
        raise HTTPException(404)
    headers = {"Content-Security-Policy": _MAIL_POLICY, "Cache-Control": "private, no-store"}
    return HTMLResponse(mails[kind].html, headers=headers)


def _no_such_month(request: Request, session: Session, staff: Staff, *, now: datetime) -> Response:
    months = reports.months_so_far(session, now=now)
    return page(
        request, session, staff, "no_such_month", status=400, months=months, month=months[0]
    )


def _chart(found: Receipts) -> bars.Bars:
    """Draw what each fund received, less refunds, in pounds; the largest first."""
    pounds = [line for line in found.lines if line.currency == "gbp"]
    pounds.sort(key=lambda line: line.totals.kept, reverse=True)
    return bars.draw(
        (line.account_name, str(Money(line.totals.kept)), line.totals.kept) for line in pounds
    )


def _stamp(context: Context, staff: Staff, now: datetime) -> reports.Stamp:
    society = context.settings.society.name
    return reports.Stamp(society, f"{staff.name} ({staff.role.value})", now)


def _pieces(
    context: Context, name: str, month: reports.Month, stamp: reports.Stamp
) -> Iterator[bytes]:
    """Yield a report from a snapshot of its own, which stays open until the last piece."""
    with context.db.reading() as session:
        yield from reports.export(session, name, month, stamp=stamp)


def _samples(request: Request, context: Context) -> dict[str, Any]:
    preview = request.app.state.preview
    return dict(preview(context.settings)) if preview else {}
