"""How a page is drawn: one Jinja2 environment, escaping everything, failing on what is missing.

Every page gets the society's particulars, the catalogue and the addresses; days and hours are
London's, and money is written out once, here.
"""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from billing.clock import LONDON
from billing.context import Context
from billing.money import Money
from billing.settings import PLACEHOLDER
from billing.web import cookies

_PACKAGE: Final = Path(__file__).resolve().parent.parent
STATIC: Final = _PACKAGE / "static"


def render(
    request: Request, template: str, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """Draw one page. Never kept by a shared cache: a page may know who is reading it."""
    text = _PAGES.get_template(template).render(**_known(request), **values)
    return HTMLResponse(text, status_code, headers={"Cache-Control": "private, no-store"})


def part(template: str, **values: Any) -> Markup:
    """Draw a piece of a page, to be shown and to be kept as evidence of what was shown."""
    return Markup(_PAGES.get_template(template).render(**values))  # noqa: S704 (autoescaped)


def _known(request: Request) -> Mapping[str, Any]:
    context: Context = request.app.state.context
    settings = context.settings
    return {
        "society": settings.society,
        "catalogue": context.catalogue,
        "public_url": settings.public_url,
        "paper_url": settings.paper_url,
        "path": request.url.path,
        # The cookie alone: enough to choose a link's words, and it costs no query.
        "signed_in": bool(cookies.read(request, cookies.READER, settings)),
    }


def _told(particular: str) -> bool:
    """Say whether the paper has told us this particular; placeholders are never printed."""
    return particular not in ("", PLACEHOLDER)


def write_money(amount: Money | int) -> str:
    """Write an amount in full: `£25.00`. A bare number is pence."""
    return str(Money(amount) if isinstance(amount, int) else amount)


def write_short_money(amount: Money | int) -> str:
    """Write an amount without empty pence: `£25`, but `£5.49`."""
    return write_money(amount).removesuffix(".00")


def write_day(when: date | datetime) -> str:
    """Write a London day: `23 November 2026`."""
    day = when.astimezone(LONDON) if isinstance(when, datetime) else when
    return f"{day.day} {day:%B %Y}"


def write_short_day(when: date | datetime) -> str:
    """Write a London day where room is short: `23 Nov 2026`."""
    day = when.astimezone(LONDON) if isinstance(when, datetime) else when
    return f"{day.day} {day:%b %Y}"


def write_moment(when: datetime) -> str:
    """Write a London day and hour: `23 November 2026, 10:00`."""
    return f"{write_day(when)}, {when.astimezone(LONDON):%H:%M}"


@cache
def _asset(name: str) -> str:
    """Return the address of a static file, changed whenever its content is."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


_PAGES: Final = Environment(
    loader=FileSystemLoader(_PACKAGE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals.update(told=_told, asset=_asset)
_PAGES.filters.update(
    money=write_money,
    short_money=write_short_money,
    day=write_day,
    short_day=write_short_day,
    moment=write_moment,
)
