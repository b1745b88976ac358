"""Pages and their addresses: templates are autoescaped, and an unknown name in one is an error."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sandbox.engine.bank import ACCOUNTS
from sandbox.engine.cards import CARDS

Given = dict[str, Any]

_TEMPLATES = Environment(
    autoescape=True,
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def money(amount: int, currency: str) -> str:
    """Write an amount for a person to read."""
    symbol = "£" if currency == "gbp" else f"{currency.upper()} "
    return f"{symbol}{amount / 100:,.2f}"


def day(moment: int) -> str:
    """Write a day for a person to read."""
    return datetime.fromtimestamp(moment, UTC).strftime("%d %B %Y")


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a rendered page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values), status)


async def given(request: Request) -> Given:
    """Read a JSON body or a form, with the ids in the path."""
    body = (await request.body()).decode()
    if request.headers.get("content-type", "").startswith("application/json"):
        fields = json.loads(body or "{}")
    else:
        fields = dict(parse_qsl(body))
    return {**fields, **request.path_params}


_TEMPLATES.filters |= {"day": day, "money": money}
_TEMPLATES.globals |= {"cards": CARDS, "accounts": ACCOUNTS}
