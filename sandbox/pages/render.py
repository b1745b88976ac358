"""Templates, autoescaped; a name a template does not know is an error."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_TEMPLATES = Environment(
    autoescape=True,
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_SYMBOLS = {"gbp": "£", "eur": "€", "usd": "$"}


def money(amount: int, currency: str) -> str:
    """Write an amount for a person to read."""
    symbol = _SYMBOLS.get(currency, f"{currency.upper()} ")
    return f"{symbol}{amount / 100:,.2f}"


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a rendered page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values), status)


_TEMPLATES.filters["money"] = money
