"""An answer at the wall as it is sent: the headers, the JSON, and what nginx copies."""

import functools
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.types import Send

from billing.access import Answer, Decision, Reason
from billing.access.reasons import REFUSED_AT_THE_WALL
from billing.clock import accounting_day, start_of_day
from billing.context import Context
from billing.errors import ClosedAppealError
from billing.models import Interval
from billing.web import cookies, paper, security
from billing.web.render import write_short_money

Lines = list[tuple[bytes, bytes]]

METHODS: Final = "GET, HEAD, OPTIONS"
_STILL_FREE: Final = "You can open this as one of your free articles."
_JSON: Final = (b"content-type", b"application/json")
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


class Drawer:
    """Draws answers; what two of them share is drawn once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        protective = security.headers_for_data(context.settings).items()
        self._lines: Lines = [
            (b"cache-control", b"private, no-store"),
            (b"vary", b"Cookie, Origin"),
            *((name.lower().encode(), value.encode()) for name, value in protective),
        ]
        self._origins = {origin.encode() for origin in context.settings.paywall.origins}
        self._appeal, self._appeal_until = "", datetime.min.replace(tzinfo=UTC)
        self._links = functools.lru_cache(maxsize=4096)(self._draw_links)
        self._offer = _offer(context)
        self.cookie = functools.lru_cache(maxsize=1024)(self._draw_cookie)  # many get one pass

    def lines(self, origin: bytes | None, *more: tuple[bytes, bytes]) -> Lines:
        """Return the headers of an answer: no cache keeps it, only named origins may read it."""
        lines = [*self._lines, *more]
        if origin is not None and origin in self._origins:
            lines += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-allow-methods", METHODS.encode()),
            ]
        return lines

    def json(self, answer: Answer, article: str, *, now: datetime) -> bytes:
        """Return one answer as JSON."""
        drawn = answer.drawn.get("json")
        if drawn is None:
            told = self.told(answer.decision)
            drawn = answer.drawn["json"] = as_json(told)[:-1]
        links = self._links(article, self._appeal_at(now))
        return b'%b, "links": %b}' % (drawn, links)

    def told(self, decision: Decision) -> dict[str, Any]:
        """Return a decision in the words of our interface."""
        meter = decision.meter
        return {
            **self.briefly(decision),
            "message": self._message(decision),
            "offer": self._offer if decision.reason in REFUSED_AT_THE_WALL else None,
            "valid_until": _written(decision.valid_until),
            "meter": None
            if meter is None
            else {
                "used": meter.used,
                "limit": meter.limit,
                "remaining": meter.remaining,
                "resets_at": _written(meter.resets_at),
            },
        }

    def briefly(self, decision: Decision) -> dict[str, Any]:
        """Return yes or no, and why."""
        return {
            "access": "granted" if decision.granted else "denied",
            "reason": decision.reason.value,
            "because": decision.because,
        }

    def at_a_glance(self, decision: Decision) -> dict[str, Any]:
        """Return what a front page draws beside an article that nobody has opened."""
        told = self.briefly(decision)
        if decision.reason is Reason.PREPARED:  # whoever opens it will read a free article
            told |= {"access": "granted", "reason": Reason.METERED.value, "because": _STILL_FREE}
        return told

    def for_nginx(self, decision: Decision) -> Lines:
        """Return the headers that nginx copies from an answer without a body."""
        told = {
            "access": "granted" if decision.granted else "denied",
            "reason": decision.reason.value,
            "variant": "full" if decision.granted else "wall",
        }
        if decision.meter is not None:
            told |= {
                "used": str(decision.meter.used),
                "limit": str(decision.meter.limit),
                "remaining": str(decision.meter.remaining),
                "resets-at": decision.meter.resets_at.isoformat(),
            }
        return [(f"x-paywall-{name}".encode(), value.encode()) for name, value in told.items()]

    def _draw_cookie(self, name: str, value: str, lasts: timedelta) -> tuple[bytes, bytes]:
        """Return the header that gives a browser one of our cookies."""
        settings = self._context.settings
        written = cookies.written(name, value, settings, max_age=int(lasts.total_seconds()) + 1)
        return (b"set-cookie", written.encode())

    def _message(self, decision: Decision) -> str | None:
        if decision.granted:
            return None
        if decision.reason is Reason.LIMIT_REACHED:
            return self._context.settings.paywall.message
        return decision.because

    def _appeal_at(self, now: datetime) -> str:
        """Return the page of the first appeal that is open; worked out once a day."""
        if now >= self._appeal_until:
            today = accounting_day(now)
            self._appeal = _appeal_path(self._context, today)
            self._appeal_until = start_of_day(today + timedelta(days=1))
        return self._appeal

    def _draw_links(self, article: str, appeal: str) -> bytes:
        ours = self._context.settings.public_url.rstrip("/")
        source = quote(article, safe="")
        links = {
            "subscribe": f"{ours}/subscribe?source={source}",
            "sign_in": f"{ours}/sign-in?{urlencode({'next': paper.way_back(article)})}",
            "support": f"{ours}/support?source={source}",
            "appeal": f"{ours}{appeal}",
            "shop": self._context.catalogue.shop.url,
            "give": f"{ours}/give?article={source}",
        }
        return as_json(links)


def as_json(told: Any) -> bytes:
    """Write something as JSON."""
    return _encode(told).encode()


async def send_json(send: Send, body: bytes, lines: Lines, *, status: int = 200) -> None:
    """Send a body of JSON."""
    lines += (_JSON, (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def send_nothing(send: Send, status: int, lines: Lines) -> None:
    """Send an answer that is in its headers."""
    length = [] if status == 204 else [(b"content-length", b"0")]  # noqa: PLR2004
    await send({"type": "http.response.start", "status": status, "headers": [*lines, *length]})
    await send({"type": "http.response.body", "body": b""})


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


def _appeal_path(context: Context, day: date) -> str:
    """Return the page of the first appeal that is open on a day."""
    for appeal in context.catalogue.appeals:
        try:
            appeal.check_open(day)
        except ClosedAppealError:
            continue
        return f"/appeals/{appeal.key}"
    return "/support"


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
