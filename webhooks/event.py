"""What Stripe said, read strictly where we rely on it and loosely everywhere else.

Only the names are relied on: which event, which type, which object. The rest of a payload has the
shape of whatever API version the endpoint was made with, and is never more than a hint. An event
destination may send thin events, which name their object and say nothing else: that is enough.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from billing.errors import BillingError

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,255}")
_TYPE: Final = re.compile(r"[a-z0-9_.\[\]]{1,100}")
_VERSION: Final = re.compile(r"[A-Za-z0-9_.\-]{1,60}")
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999


class MalformedError(BillingError):
    """Not an event; the message is the short reason."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        account: the connected account it is about; '' for our own.
        created: when Stripe made it; None where it does not say.
        object_kind: the kind of object it is about, in Stripe's word, such as `charge`.
        object_id: '' where the object has none, as an upcoming invoice.
        data: that object, in the shape of some API version.
    """

    id: str
    type: str
    account: str
    livemode: bool
    api_version: str
    created: datetime | None
    object_kind: str
    object_id: str
    data: Mapping[str, Any]


def read(body: bytes) -> Event:
    """Read an event.

    Raises:
        MalformedError: it is not strict JSON, or not an event.
    """
    said = _strict_json(body)
    if not isinstance(said, dict):
        raise MalformedError("not an object")
    if said.get("object") == "v2.core.event":
        said = _filled_out(said)
    if said.get("object") != "event":
        raise MalformedError("not an event")
    if not isinstance(said.get("livemode"), bool):
        raise MalformedError("no livemode")
    data = said.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    about = about if isinstance(about, dict) else {}
    return Event(
        id=_named(said, "id", _ID),
        type=_named(said, "type", _TYPE),
        account=_named(said, "account", _ID) if said.get("account") is not None else "",
        livemode=said["livemode"],
        api_version=_if_it_fits(said.get("api_version"), _VERSION),
        created=_instant(said.get("created")),
        object_kind=_if_it_fits(about.get("object"), _TYPE),
        object_id=_if_it_fits(about.get("id"), _ID),
        data=about,
    )


def id_in(value: object) -> str:
    """Return the id in a field that holds one, or the whole object it names; '' for neither."""
    return _if_it_fits(value.get("id") if isinstance(value, dict) else value, _ID)


def _filled_out(thin: dict[str, Any]) -> dict[str, Any]:
    """Write a thin event as others are written.

    Source: https://docs.stripe.com/api/v2/core/events/object
    """
    kind, context, about = thin.get("type"), thin.get("context"), thin.get("related_object")
    about = about if isinstance(about, dict) else {}
    return {
        **thin,
        "object": "event",
        "type": kind.removeprefix("v1.") if isinstance(kind, str) else None,
        # Of an account within another it names the way, as acct_1/acct_2.
        "account": context.replace("/", "_") if isinstance(context, str) else context,
        "data": {"object": {"id": about.get("id"), "object": about.get("type")}},
    }


def _named(said: dict[str, Any], field: str, shape: re.Pattern[str]) -> str:
    found = _if_it_fits(said.get(field), shape)
    if not found:
        raise MalformedError(f"no {field}")
    return found


def _if_it_fits(value: object, shape: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and shape.fullmatch(value) else ""


def _instant(value: object) -> datetime | None:
    if isinstance(value, str):  # of a thin event
        try:
            said = datetime.fromisoformat(value)
            return said.astimezone(UTC) if said.tzinfo else None
        except (ValueError, OverflowError):
            return None
    if type(value) is not int or not 0 <= value <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(value, UTC)


def _strict_json(body: bytes) -> object:
    try:
        return _STRICT.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # Also thrown for numbers of thousands of digits and for nests without end.
        raise MalformedError("not strict JSON") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too big")
    return number


# Made once: making one costs as much as reading an event with it.
_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)
