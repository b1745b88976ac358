"""The paywall check, as the paper asks it: one plain ASGI endpoint, always answering JSON.

It opens its own sessions in a worker thread, answers 200 whether or not the reader may read, and is
never kept by a cache. Who asks is known by our cookies alone, never by a parameter.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from billing import access
from billing.clock import accounting_day
from billing.context import Context
from billing.errors import ClosedAppealError
from billing.models import Interval
from billing.web import cookies, paper
from billing.web.render import write_short_money

PATH: Final = "/paywall/check"
# Of its own: the pages' threads may all be waiting for Stripe, and the paper must not wait too.
THREADS: Final = 16
_METHODS: Final = "GET, HEAD, OPTIONS"
_ARTICLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/~-]{0,199}")
_CURE: Final = (
    "Send the article's stable id once, as ?article=…: 1 to 200 letters, digits or . _ : / ~ -,"
    " beginning with a letter or a digit."
)
# Browsers announce a page that nobody looks at yet; Firefox once said X-Moz.
_PREFETCH: Final = (("sec-purpose", "prefetch"), ("purpose", "prefetch"), ("x-moz", "prefetch"))


class Check:
    """The endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        context: Context = request.app.state.context
        response = await _answer(request, context)
        response.headers.update(_headers(request.headers, context.settings.paywall.origins))
        await response(scope, receive, send)


router = APIRouter()
router.routes.append(Route(PATH, Check(), name="paywall check"))


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Why a question cannot be answered, and what to do."""

    code: str
    cure: str


async def _answer(request: Request, context: Context) -> Response:
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": _METHODS})
    if request.method not in ("GET", "HEAD"):
        fault = _Unreadable("method_not_allowed", f"Use one of {_METHODS}.")
        return _refuse(fault, status=405, headers={"Allow": _METHODS})
    article = _article_of(request)
    if isinstance(article, _Unreadable):
        return _refuse(article, status=400)
    question = access.Question(
        article=article,
        session_token=cookies.read(request, cookies.READER, context.settings),
        visitor_cookie=cookies.read(request, cookies.VISITOR, context.settings),
        counts=_counts(request),
    )
    now = context.clock.now()
    answer = await run_sync(_ask, context, question, now, limiter=request.app.state.wall_threads)
    response = _json(_body(answer.decision, article, context, now=now))
    if answer.new_cookie:
        lasts = access.window_of(now).ends_at - now
        cookies.give(
            response,
            cookies.VISITOR,
            answer.new_cookie,
            settings=context.settings,
            max_age=int(lasts.total_seconds()) + 1,
        )
    return response


def _ask(context: Context, question: access.Question, now: datetime) -> access.Answer:
    return access.check(context.db, context.settings, question, now=now)


def _article_of(request: Request) -> str | _Unreadable:
    given = request.query_params.getlist("article")
    if not given:
        return _Unreadable("article_missing", _CURE)
    if len(given) > 1 or not _ARTICLE.fullmatch(given[0]):
        return _Unreadable("article_unreadable", _CURE)
    return given[0]


def _counts(request: Request) -> bool:
    """Tell whether somebody is about to read: nobody is when a browser only prepares."""
    prepares = any(word in request.headers.get(name, "").lower() for name, word in _PREFETCH)
    return request.method == "GET" and not prepares


def _body(
    decision: access.Decision, article: str, context: Context, *, now: datetime
) -> dict[str, Any]:
    meter = decision.meter
    return {
        "access": "granted" if decision.granted else "denied",
        "reason": decision.reason.value,
        "because": decision.because,
        "message": None if decision.granted else context.settings.paywall.message,
        "offer": None if decision.granted else _offer(context),
        "valid_until": _written(decision.valid_until),
        "meter": None
        if meter is None
        else {
            "used": meter.used,
            "limit": meter.limit,
            "remaining": meter.remaining,
            "resets_at": _written(meter.resets_at),
        },
        "links": _links(context, article, now=now),
        "decision_id": uuid4().hex,
    }


def _offer(context: Context) -> str | None:
    """Return what a month costs at the least, in a sentence for the wall."""
    monthly = [
        price.amount
        for plan in context.catalogue.plans
        for price in plan.prices
        if price.interval is Interval.MONTH
    ]
    if not monthly:
        return None
    return f"From {write_short_money(min(monthly))} a month. You can end it whenever you like."


def _links(context: Context, article: str, *, now: datetime) -> dict[str, str]:
    ours = context.settings.public_url.rstrip("/")
    source = quote(article, safe="")
    return {
        "subscribe": f"{ours}/subscribe?source={source}",
        "sign_in": f"{ours}/sign-in?{urlencode({'next': paper.way_back(article)})}",
        "support": f"{ours}/support?source={source}",
        "appeal": f"{ours}{_appeal_path(context, now=now)}",
        "shop": context.catalogue.shop.url,
    }


def _appeal_path(context: Context, *, now: datetime) -> str:
    """Return the page of the first appeal that is open today."""
    for appeal in context.catalogue.appeals:
        try:
            appeal.check_open(accounting_day(now))
        except ClosedAppealError:
            continue
        return f"/appeals/{appeal.key}"
    return "/support"


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _refuse(
    fault: _Unreadable, *, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    response = _json({"error": {"code": fault.code, "message": fault.cure}})
    response.status_code = status
    response.headers.update(headers or {})
    return response


def _json(body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), media_type="application/json")


def _headers(asked: Headers, origins: tuple[str, ...]) -> dict[str, str]:
    """Return what every answer carries: no cache keeps it, and only named origins may read it."""
    headers = {"Cache-Control": "private, no-store", "Vary": "Cookie, Origin"}
    origin = asked.get("origin", "")
    if origin and origin in origins:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Allow-Methods"] = _METHODS
    return headers
