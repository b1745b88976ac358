"""Signing in and out, for readers and for the office. The forms need no JavaScript.

Opening a link only shows a button: scanners and previews open links too, and must use nothing up.
What is answered to a request never tells whether an address is known.
"""

import secrets
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import access, audit, office, readers, sign_in
from billing.context import Context
from billing.errors import AddressError, TooManyAttemptsError
from billing.models import Audience, Reader
from billing.web import cookies
from billing.web.caller import caller_of
from billing.web.dependencies import ContextDep, MaybeReader, NowDep, SessionDep
from billing.web.render import render

router = APIRouter(include_in_schema=False)

_ASKED: Final = "sign_in"  # the cookie that ties a typed code to the browser that asked for it
_GONE: Final = 410
_UNREADABLE: Final = 422
_TOO_MANY: Final = 429

Typed = Annotated[str, Form(max_length=500)]
Next = Annotated[str, Query(alias="next", max_length=500)]


@router.get("/sign-in")
def ask_for_address(request: Request, next_path: Next = "") -> Response:
    """Show the form that asks for an address."""
    return _address_form(request, Audience.READER, next_path=next_path)


@router.post("/sign-in")
def send_link(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    now: NowDep,
    email: Typed = "",
    next_path: Annotated[str, Form(alias="next", max_length=500)] = "",
) -> Response:
    """Mail a link and a code, and go on to where the code is typed."""
    return _send(request, context, session, Audience.READER, email, next_path, now=now)


@router.get("/sign-in/code")
def ask_for_code(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep
) -> Response:
    """Say that a mail is on its way, and ask for the code in it."""
    return _code_form(request, context, session, now=now)


@router.post("/sign-in/code")
def use_code(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    now: NowDep,
    current: MaybeReader,
    code: Typed = "",
) -> Response:
    """Sign in the browser that asked for the code."""
    browser = cookies.read(request, _ASKED, context.settings)
    try:
        proof = sign_in.redeem_code(session, context.settings, code, browser=browser, now=now)
    except TooManyAttemptsError as refused:
        return _wait(request, refused)
    if proof is None:
        return _code_form(request, context, session, now=now, wrong=True)
    return _let_reader_in(request, context, session, proof, current, now=now)


@router.get("/sign-in/{token}")
def show_button(request: Request, session: SessionDep, now: NowDep, token: str) -> Response:
    """Show the button that uses a link up."""
    return _button(request, session, token, Audience.READER, now=now)


@router.post("/sign-in/{token}")
def use_link(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    now: NowDep,
    current: MaybeReader,
    token: str,
) -> Response:
    """Sign in whoever follows the link."""
    browser = cookies.read(request, _ASKED, context.settings)
    proof = sign_in.redeem_link(session, token, audience=Audience.READER, browser=browser, now=now)
    if proof is None:
        return _spent(request, Audience.READER)
    return _let_reader_in(request, context, session, proof, current, now=now)


@router.post("/sign-out")
def sign_out(request: Request, context: ContextDep, session: SessionDep) -> Response:
    """Sign this browser out."""
    return _sign_out(request, context, session, cookies.READER, to="/support")


@router.get("/office/sign-in")
def ask_for_staff_address(request: Request, next_path: Next = "") -> Response:
    """Show the office's form."""
    return _address_form(request, Audience.OFFICE, next_path=next_path)


@router.post("/office/sign-in")
def send_staff_link(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    now: NowDep,
    email: Typed = "",
    next_path: Annotated[str, Form(alias="next", max_length=500)] = "",
) -> Response:
    """Mail a link to staff, and say the same to everybody."""
    return _send(request, context, session, Audience.OFFICE, email, next_path, now=now)


@router.get("/office/sign-in/{token}")
def show_staff_button(request: Request, session: SessionDep, now: NowDep, token: str) -> Response:
    """Show the button that uses a staff link up."""
    return _button(request, session, token, Audience.OFFICE, now=now)


@router.post("/office/sign-in/{token}")
def use_staff_link(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep, token: str
) -> Response:
    """Sign one of the staff in."""
    browser = cookies.read(request, _ASKED, context.settings)
    proof = sign_in.redeem_link(session, token, audience=Audience.OFFICE, browser=browser, now=now)
    staff = office.find_staff(session, proof.email) if proof else None
    if proof is None or staff is None:
        return _spent(request, Audience.OFFICE)
    who = f"staff:{staff.id}"
    audit.record(session, actor=who, action="signed in", subject=who, now=now)
    token = sign_in.begin_session(session, staff_id=staff.id, now=now)
    response = RedirectResponse(proof.next_path or "/office", status_code=303)
    lasts = int(sign_in.STAFF_LASTS.total_seconds())
    return _keep(request, context, session, response, cookies.STAFF, token, lasts)


@router.post("/office/sign-out")
def staff_sign_out(request: Request, context: ContextDep, session: SessionDep) -> Response:
    """Sign this browser out of the office."""
    return _sign_out(request, context, session, cookies.STAFF, to="/office/sign-in")


def _send(
    request: Request,
    context: Context,
    session: Session,
    audience: Audience,
    email: str,
    next_path: str,
    *,
    now: datetime,
) -> Response:
    browser = cookies.read(request, _ASKED, context.settings) or secrets.token_urlsafe(32)
    try:
        sign_in.request(
            session,
            context.settings,
            audience=audience,
            email=email,
            next_path=next_path,
            browser=browser,
            caller=caller_of(request, context.settings),
            now=now,
        )
    except AddressError:
        return _address_form(request, audience, next_path=next_path, email=email, wrong=True)
    except TooManyAttemptsError as refused:
        return _wait(request, refused)
    response: Response = (
        render(request, "sign_in_sent.html", office=True, email="", wrong=False)
        if audience is Audience.OFFICE
        else RedirectResponse("/sign-in/code", status_code=303)
    )
    lasts = int(sign_in.LASTS.total_seconds())
    cookies.give(response, _ASKED, browser, settings=context.settings, max_age=lasts)
    return response


def _let_reader_in(
    request: Request,
    context: Context,
    session: Session,
    proof: sign_in.Proof,
    current: Reader | None,
    *,
    now: datetime,
) -> Response:
    also = current.id if current and proof.same_browser else None
    reader = readers.verify_and_merge(session, proof.email, also=also, now=now)
    _carry_meter_over(request, context, session, reader, now=now)
    token = sign_in.begin_session(session, reader_id=reader.id, now=now)
    response = RedirectResponse(proof.next_path or "/account", status_code=303)
    lasts = int(sign_in.READER_LASTS.total_seconds())
    return _keep(request, context, session, response, cookies.READER, token, lasts)


def _carry_meter_over(
    request: Request, context: Context, session: Session, reader: Reader, *, now: datetime
) -> None:
    cookie = cookies.read(request, cookies.VISITOR, context.settings)
    visitor = access.read_cookie(context.settings, cookie, access.window_of(now))
    if visitor is not None:
        access.carry_over(session, visitor, to=readers.meter_subject(reader.id))


def _keep(
    request: Request,
    context: Context,
    session: Session,
    response: Response,
    cookie: str,
    token: str,
    lasts: int,
) -> Response:
    """Give the browser its new session, end the one it had, and forget what it asked with."""
    before = cookies.read(request, cookie, context.settings)
    if before:
        sign_in.end_session(session, before)
    cookies.give(response, cookie, token, settings=context.settings, max_age=lasts)
    cookies.take_back(response, _ASKED, settings=context.settings)
    return response


def _sign_out(
    request: Request, context: Context, session: Session, cookie: str, *, to: str
) -> Response:
    sign_in.end_session(session, cookies.read(request, cookie, context.settings))
    response = RedirectResponse(to, status_code=303)
    cookies.take_back(response, cookie, settings=context.settings)
    return response


def _address_form(
    request: Request,
    audience: Audience,
    *,
    next_path: str,
    email: str = "",
    wrong: bool = False,
) -> Response:
    return render(
        request,
        "sign_in.html",
        status_code=_UNREADABLE if wrong else 200,
        office=audience is Audience.OFFICE,
        next_path=sign_in.local_path(next_path),
        email=email,
        wrong=wrong,
    )


def _code_form(
    request: Request, context: Context, session: Session, *, now: datetime, wrong: bool = False
) -> Response:
    browser = cookies.read(request, _ASKED, context.settings)
    return render(
        request,
        "sign_in_sent.html",
        status_code=_UNREADABLE if wrong else 200,
        office=False,
        email=sign_in.awaiting(session, browser=browser, now=now) if browser else "",
        wrong=wrong,
    )


def _button(
    request: Request, session: Session, token: str, audience: Audience, *, now: datetime
) -> Response:
    if not sign_in.still_open(session, token, audience=audience, now=now):
        return _spent(request, audience)
    is_office = audience is Audience.OFFICE
    return render(request, "sign_in_link.html", office=is_office, action=request.url.path)


def _spent(request: Request, audience: Audience) -> Response:
    is_office = audience is Audience.OFFICE
    return render(request, "sign_in_spent.html", status_code=_GONE, office=is_office)


def _wait(request: Request, refused: TooManyAttemptsError) -> Response:
    response = render(
        request, "sign_in_wait.html", status_code=_TOO_MANY, again_at=refused.again_at
    )
    # A date, so that nobody has to count from when the answer left.
    response.headers["Retry-After"] = format_datetime(refused.again_at, usegmt=True)
    return response
