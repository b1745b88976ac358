"""Pages and their addresses: templates are autoescaped, and an unknown name in one is an error."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.engine.instruments import ACCOUNTS, CARDS
from sandbox.kernel.world import World

Given = dict[str, Any]
Form = dict[str, str]
Answer = Callable[..., Response]

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


def closed(status: int, heading: str, text: str) -> HTMLResponse:
    """Return a page on which nothing can be done."""
    return page("closed.html", status, heading=heading, text=text)


def onward(address: str) -> RedirectResponse:
    """Send a browser on after its form."""
    return RedirectResponse(address, 303)


def door(world: World, address: str, answer: Answer) -> Route:
    """Return the way to a page and to its form.

    `answer` has the world to itself; it is given the key in the address, what was filled in, and
    whether that was posted.
    """

    def alone(form: Form, *, posted: bool) -> Response:
        with world.lock:
            world.run_due()
            return answer(world, form.pop("key"), form, posted=posted)

    async def endpoint(request: Request) -> Response:
        asked = dict(request.query_params) | await given(request)
        form = {name: str(value).strip() for name, value in asked.items()}
        return await run_in_threadpool(alone, form, posted=request.method == "POST")

    return Route(address, endpoint, methods=["GET", "POST"])


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
