"""Signing in to the office. Only staff are mailed, and everybody is told the same."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import audit, office, sign_in
from billing.models import Audience
from billing.web import cookies, sign_in_pages
from billing.web.dependencies import ContextDep, NowDep, SessionDep

router = APIRouter(include_in_schema=False)


@router.get("/office/sign-in")
def ask_for_staff_address(
    request: Request, next_path: Annotated[str, Query(alias="next", max_length=500)] = ""
) -> Response:
    """Show the office's form."""
    return sign_in_pages.address_form(request, Audience.OFFICE, next_path=next_path)


@router.post("/office/sign-in")
def send_staff_link(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    now: NowDep,
    email: Annotated[str, Form(max_length=500)] = "",
    next_path: Annotated[str, Form(alias="next", max_length=500)] = "",
) -> Response:
    """Mail a link to staff, and say the same to everybody."""
    return sign_in_pages.send(request, context, session, Audience.OFFICE, email, next_path, now=now)


@router.get("/office/sign-in/{token}")
def show_staff_button(request: Request, session: SessionDep, now: NowDep, token: str) -> Response:
    """Show the button that uses a staff link up."""
    return sign_in_pages.button(request, session, token, Audience.OFFICE, now=now)


@router.post("/office/sign-in/{token}")
def use_staff_link(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep, token: str
) -> Response:
    """Sign one of the staff in."""
    browser = cookies.read(request, sign_in_pages.ASKED, context.settings)
    proof = sign_in.redeem_link(session, token, audience=Audience.OFFICE, browser=browser, now=now)
    staff = office.find_staff(session, proof.email) if proof else None
    if proof is None or staff is None:
        return sign_in_pages.spent(request, Audience.OFFICE)
    who = f"staff:{staff.id}"
    audit.record(session, actor=who, action="signed in", subject=who, now=now)
    token = sign_in.begin_session(session, staff_id=staff.id, now=now)
    response = RedirectResponse(proof.next_path or "/office", status_code=303)
    lasts = int(sign_in.STAFF_LASTS.total_seconds())
    return sign_in_pages.keep(request, context, session, response, cookies.STAFF, token, lasts)


@router.post("/office/sign-out")
def staff_sign_out(request: Request, context: ContextDep, session: SessionDep) -> Response:
    """Sign this browser out of the office."""
    return sign_in_pages.sign_out_of(request, context, session, cookies.STAFF, to="/office/sign-in")
