"""Signing readers in and out. The forms need no JavaScript.

Opening a link only shows a button: scanners and previews open links too, and must use nothing up.
What is answered to a request never tells whether an address is known.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import access, readers, sign_in
from billing.context import Context
from billing.errors import TooManyAttemptsError
from billing.models import Audience, Reader
from billing.web import cookies, sign_in_office, sign_in_pages
from billing.web.dependencies import ContextDep, MaybeReader, NowDep, SessionDep

router = APIRouter(include_in_schema=False)
router.include_router(sign_in_office.router)

Typed = Annotated[str, Form(max_length=500)]


@router.get("/sign-in")
def ask_for_address(
    request: Request, next_path: Annotated[str, Query(alias="next", max_length=500)] = ""
) -> Response:
    """Show the form that asks for an address."""
    return sign_in_pages.address_form(request, Audience.READER, next_path=next_path)


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
    return sign_in_pages.send(request, context, session, Audience.READER, email, next_path, now=now)


@router.get("/sign-in/code")
def ask_for_code(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep
) -> Response:
    """Say that a mail is on its way, and ask for the code in it."""
    return sign_in_pages.code_form(request, context, session, now=now)


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
    browser = cookies.read(request, sign_in_pages.ASKED, context.settings)
    try:
        proof = sign_in.redeem_code(session, context.settings, code, browser=browser, now=now)
    except TooManyAttemptsError as refused:
        return sign_in_pages.wait(request, refused)
    if proof is None:
        return sign_in_pages.code_form(request, context, session, now=now, wrong=True)
    return _let_reader_in(request, context, session, proof, current, now=now)


@router.get("/sign-in/{token}")
def show_button(request: Request, session: SessionDep, now: NowDep, token: str) -> Response:
    """Show the button that uses a link up."""
    return sign_in_pages.button(request, session, token, Audience.READER, now=now)


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
    browser = cookies.read(request, sign_in_pages.ASKED, context.settings)
    proof = sign_in.redeem_link(session, token, audience=Audience.READER, browser=browser, now=now)
    if proof is None:
        return sign_in_pages.spent(request, Audience.READER)
    return _let_reader_in(request, context, session, proof, current, now=now)


@router.post("/sign-out")
def sign_out(request: Request, context: ContextDep, session: SessionDep) -> Response:
    """Sign this browser out, and let it forget what was begun in it: others may use it next."""
    answer = sign_in_pages.sign_out_of(request, context, session, cookies.READER, to="/support")
    cookies.take_back(answer, cookies.CHECKOUT, settings=context.settings)
    cookies.take_back(answer, cookies.PASS, settings=context.settings)
    return answer


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
    return sign_in_pages.keep(request, context, session, response, cookies.READER, token, lasts)


def _carry_meter_over(
    request: Request, context: Context, session: Session, reader: Reader, *, now: datetime
) -> None:
    cookie = cookies.read(request, cookies.VISITOR, context.settings)
    visitor = access.read_cookie(context.settings, cookie, access.window_of(now))
    if visitor is not None:
        access.carry_over(session, visitor, to=readers.meter_subject(reader.id))
