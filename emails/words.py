"""How values are written in a mail: dates, times, amounts, names.

Every value reaches a template as one line of printable text, whatever a payer typed.
"""

import re
import unicodedata
from datetime import date, datetime
from typing import Any, Final

from billing.clock import LONDON
from billing.notices import Notice

LONGEST_NAME: Final = 80
# Somebody may start a checkout in a stranger's name to have us mail that stranger an advertisement.
_WEB_ADDRESS: Final = re.compile(r"://|www\.|@|\w\.[a-z]{2,}\b")
# Marks that turn the direction of the text after them, and so make it read as something else.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NOT_PRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def day(value: date) -> str:
    """Write a date as `23 November 2026`; an instant is given its London date."""
    if isinstance(value, datetime):
        value = value.astimezone(LONDON).date()
    return f"{value.day} {value:%B %Y}"


def moment(value: datetime) -> str:
    """Write an instant as `10:15 on 23 November 2026`, in London."""
    return f"{value.astimezone(LONDON):%H:%M} on {day(value)}"


def name(value: str) -> str:
    """Write a payer's name, or '' where it is no name but an address of the web or of mail."""
    return "" if _WEB_ADDRESS.search(value) else value[:LONGEST_NAME]


def the(value: str) -> str:
    """Write the name of an appeal inside a sentence: `the Fighting Fund`."""
    return f"the {value.removeprefix('The ').removeprefix('the ')}"


def subscription(plan: str) -> str:
    """Write a plan inside a sentence: `Digital` becomes `digital subscription`."""
    plan = plan[:1].lower() + plan[1:] if plan[1:2].islower() else plan
    return plan if "subscription" in plan.lower() else f"{plan} subscription"


def capital(value: str) -> str:
    """Write a value at the head of a line: `visa ending 4242` becomes `Visa ending 4242`."""
    return value[:1].upper() + value[1:]


def tidy(notice: Notice) -> Notice:
    """Return the notice with every text in it made one line of printable characters."""
    return type(notice).model_validate(_tidied(notice.model_dump()))


def _tidied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tidied(part) for key, part in value.items()}
    return _one_line(value) if isinstance(value, str) else value


def _one_line(text: str) -> str:
    printable = (
        " " if unicodedata.category(c) in _NOT_PRINTABLE or c in _TURNING else c for c in text
    )
    return " ".join("".join(printable).split())
