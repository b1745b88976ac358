"""Passing an article on: the subscriber's page that makes the link, and the page it leads to.

Opening a link only shows a button: scanners and previews open links too, and must use nothing up.
A link that works no more is answered as one that never was.
"""

import re
import secrets
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Form
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from billing import access, rate_limits
from billing.access import gift_links
from billing.access.case import ARTICLE
from billing.context import Context
from billing.models import Reader
from billing.web import cookies, paper
from billing.web.caller import caller_of
from billing.web.dependencies import ContextDep, CurrentReader, MaybeReader, NowDep, SessionDep
from billing.web.render import render, write_day

router = APIRouter(include_in_schema=False)

_ARTICLE: Final = re.compile(ARTICLE)
_PER_CALLER: Final = rate_limits.Limit("gift links", 300, minutes=60)
_UNREADABLE: Final = 400
_NOT_THEIRS: Final = 403
_NONE_LEFT: Final = 409
_GONE: Final = 410


@router.get("/give")
def ask(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    reader: MaybeReader,
    now: NowDep,
    article: str = "",
) -> Response:
    """Show what passing an article on means, and the button that makes the link."""
    if not _ARTICLE.fullmatch(article):
        return render(request, "give.html", status_code=_UNREADABLE, state="unreadable")
    if reader is None:
        return _sign_in_first(article)
    if not gift_links.may_give(session, reader.id, now=now):
        return render(request, "give.html", status_code=_NOT_THEIRS, state="not_theirs")
    state = "ask" if gift_links.left(session, reader.id, now=now) else "none_left"
    return _page(request, context, session, reader, article, state, now=now)


@router.post("/give")
def give(
    request: Request,
    context: ContextDep,
    session: SessionDep,
    reader: MaybeReader,
    now: NowDep,
    article: Annotated[str, Form()] = "",
    press: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Make a link and show it, this once."""
    if not _ARTICLE.fullmatch(article):
        return render(request, "give.html", status_code=_UNREADABLE, state="unreadable")
    if reader is None:
        return _sign_in_first(article)
    wanted = gift_links.token_of(context.settings, reader.id, article, press) if press else ""
    try:
        link, token = gift_links.give(session, reader.id, article, now=now, token=wanted)
    except gift_links.MayNotGiveError:
        return render(request, "give.html", status_code=_NOT_THEIRS, state="not_theirs")
    except gift_links.NoGiftLeftError:
        refused = _page(request, context, session, reader, article, "none_left", now=now)
        refused.status_code = _NONE_LEFT
        return refused
    address = f"{context.settings.public_url.rstrip('/')}/gift/{token}"
    return _page(
        request,
        context,
        session,
        reader,
        article,
        "given",
        now=now,
        link=address,
        expires_at=link.expires_at,
        mail=_mail(context, address, link.expires_at),
    )


@router.api_route("/gift/{token}", methods=["GET", "HEAD"])
def show_button(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep, token: str
) -> Response:
    """Show the button that opens the article."""
    held = _held(request, context, now=now)
    link = gift_links.find(session, token, held=held, now=now)
    return _gone(request) if link is None else render(request, "gift.html", link=link)


@router.post("/gift/{token}")
def open_article(
    request: Request, context: ContextDep, session: SessionDep, now: NowDep, token: str
) -> Response:
    """Let this browser read the article, and lead to it."""
    caller = caller_of(request, context.settings)
    rate_limits.hit(session, _PER_CALLER, caller, now=now)
    held = _held(request, context, now=now)
    link = gift_links.redeem(session, token, held=held, now=now)
    if link is None:
        return _gone(request)
    response = RedirectResponse(paper.page_of(context, link.article), status_code=303)
    _keep(response, context, gift_links.with_link(held, link), now=now)
    return response


@router.post("/account/gifts/{link_id}/take-back")
def take_back(
    session: SessionDep, reader: CurrentReader, now: NowDep, link_id: UUID
) -> RedirectResponse:
    """Take a link back; whoever has opened it is asked like everybody else from then on."""
    gift_links.revoke(session, reader.id, link_id, now=now)
    return RedirectResponse("/account#passed-on", status_code=303)


def _page(
    request: Request,
    context: Context,
    session: Session,
    reader: Reader,
    article: str,
    state: str,
    *,
    now: datetime,
    **values: Any,
) -> Response:
    return render(
        request,
        "give.html",
        state=state,
        article=article,
        address=paper.page_of(context, article),
        left=gift_links.left(session, reader.id, now=now),
        resets_on=access.window_of(now).ends_at,
        press=secrets.token_urlsafe(),
        **values,
    )


def _sign_in_first(article: str) -> Response:
    back = f"/give?{urlencode({'article': article})}"
    return RedirectResponse(f"/sign-in?{urlencode({'next': back})}", status_code=303)


def _mail(context: Context, address: str, expires_at: datetime) -> str:
    """Return the address that opens a mail with the link in it, in the giver's own program."""
    said = {
        "subject": f"An article in the {context.settings.society.paper}",
        "body": f"I thought you would like to read this:\r\n\r\n{address}\r\n\r\n"
        f"The link works until {write_day(expires_at)}.",
    }
    return f"mailto:?{urlencode(said, quote_via=quote)}"


def _gone(request: Request) -> Response:
    return render(request, "gift.html", status_code=_GONE, link=None)


def _held(request: Request, context: Context, *, now: datetime) -> tuple[gift_links.Gift, ...]:
    cookie = cookies.read(request, cookies.GIFT, context.settings)
    return gift_links.read_cookie(context.settings, cookie, now=now)


def _keep(
    response: Response, context: Context, gifts: tuple[gift_links.Gift, ...], *, now: datetime
) -> None:
    lasts = max(gift.expires_at for gift in gifts) - now
    cookies.give(
        response,
        cookies.GIFT,
        gift_links.write_cookie(context.settings, gifts),
        settings=context.settings,
        max_age=int(lasts.total_seconds()),
    )
