"""What the readers' and the office's sign-in doors share: their pages and their cookies."""

import secrets
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import sign_in
from billing.context import Context
from billing.errors import AddressError, TooManyAttemptsError
from billing.models import Audience
from billing.web import cookies
from billing.web.caller import caller_of
from billing.web.render import render

ASKED: Final = "sign_in"  # the cookie that ties a typed code to the browser that asked for it
_GONE: Final = 410
_UNREADABLE: Final = 422
_TOO_MANY: Final = 429


def send(
    request: Request,
    context: Context,
    session: Session,
    audience: Audience,
    email: str,
    next_path: str,
    *,
    now: datetime,
) -> Response:
    """Mail what is asked for, and say the same to everybody."""
    browser = cookies.read(request, ASKED, context.settings) or secrets.token_urlsafe(32)
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
        return address_form(request, audience, next_path=next_path, email=email, wrong=True)
    except TooManyAttemptsError as refused:
        return wait(request, refused)
    response: Response = (
        render(request, "sign_in_sent.html", office=True, email="", wrong=False)
        if audience is Audience.OFFICE
        else RedirectResponse("/sign-in/code", status_code=303)
    )
    lasts = int(sign_in.LASTS.total_seconds())
    cookies.give(response, ASKED, browser, settings=context.settings, max_age=lasts)
    return response


def keep(
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
    cookies.take_back(response, ASKED, settings=context.settings)
    return response


def sign_out_of(
    request: Request, context: Context, session: Session, cookie: str, *, to: str
) -> Response:
    """End the session of one of our cookies, and make the browser forget it."""
    sign_in.end_session(session, cookies.read(request, cookie, context.settings))
    response = RedirectResponse(to, status_code=303)
    cookies.take_back(response, cookie, settings=context.settings)
    return response


def address_form(
    request: Request,
    audience: Audience,
    *,
    next_path: str,
    email: str = "",
    wrong: bool = False,
) -> Response:
    """Draw the form that asks for an address."""
    return render(
        request,
        "sign_in.html",
        status_code=_UNREADABLE if wrong else 200,
        office=audience is Audience.OFFICE,
        next_path=sign_in.local_path(next_path),
        email=email,
        wrong=wrong,
    )


def code_form(
    request: Request, context: Context, session: Session, *, now: datetime, wrong: bool = False
) -> Response:
    """Draw the page that asks for the code in the mail."""
    browser = cookies.read(request, ASKED, context.settings)
    return render(
        request,
        "sign_in_sent.html",
        status_code=_UNREADABLE if wrong else 200,
        office=False,
        email=sign_in.awaiting(session, browser=browser, now=now) if browser else "",
        wrong=wrong,
    )


def button(
    request: Request, session: Session, token: str, audience: Audience, *, now: datetime
) -> Response:
    """Draw the button that uses a link up, while there is something to use up."""
    address = sign_in.address_of_link(session, token, audience=audience, now=now)
    if not address:
        return spent(request, audience)
    return render(
        request,
        "sign_in_link.html",
        office=audience is Audience.OFFICE,
        action=request.url.path,
        email=address,
    )


def spent(request: Request, audience: Audience) -> Response:
    """Say that a link no longer works, and where to get another."""
    is_office = audience is Audience.OFFICE
    return render(request, "sign_in_spent.html", status_code=_GONE, office=is_office)


def wait(request: Request, refused: TooManyAttemptsError) -> Response:
    """Say when to try again."""
    response = render(
        request, "sign_in_wait.html", status_code=_TOO_MANY, again_at=refused.again_at
    )
    # A date, so that nobody has to count from when the answer left.
    response.headers["Retry-After"] = format_datetime(refused.again_at, usegmt=True)
    return response
