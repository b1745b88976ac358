"""Stripe's own list of what it has said in the last thirty days, each event as it was written.

The SDK would build objects and write them anew; what we keep of an event is what Stripe sent.

Source: https://docs.stripe.com/api/events/list
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from billing.errors import StripeUnavailableError
from billing.stripe_gateway.client import Gateway

_PAGE: Final = 100
_DATA: Final = re.compile(r'"data"\s*:\s*\[')
_BETWEEN: Final = re.compile(r"[\s,]*")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Listed:
    """One event of the list.

    Attributes:
        created: when Stripe made it.
        body: the event, byte for byte as Stripe wrote it.
    """

    id: str
    created: datetime
    body: bytes


def events(
    gateway: Gateway, *, since: datetime | None, until: datetime
) -> Iterator[Sequence[Listed]]:
    """Read the list page by page, newest first.

    Args:
        gateway: Stripe.
        since: the first instant of interest; None for as far back as Stripe lists.
        until: the last.

    Raises:
        StripeUnavailableError: on any page; those before it stand.
    """
    created = {"lte": int(until.timestamp())}
    if since is not None:
        created["gte"] = int(since.timestamp())
    params: dict[str, Any] = {"created": created, "limit": _PAGE}
    more = True

    def ask() -> Any:
        return gateway.client.raw_request("get", "/v1/events", **params)

    while more:
        answer = gateway.ask(ask)
        page = _as_written(answer.body)
        yield page
        more = bool(page) and bool(answer.data["has_more"])
        params |= {"starting_after": page[-1].id} if more else {}


def _as_written(body: str) -> list[Listed]:
    """Cut a list into its members without changing a byte of them."""
    found: list[Listed] = []
    try:
        at = _end(_DATA.search(body))
        while body[at := _end(_BETWEEN.match(body, at))] != "]":
            member, end = _DECODER.raw_decode(body, at)
            created = datetime.fromtimestamp(member["created"], UTC)
            found.append(Listed(member["id"], created, body[at:end].encode()))
            at = end
    except (ValueError, LookupError, TypeError) as error:
        raise StripeUnavailableError("what should be a list of events is none") from error
    return found


def _end(match: re.Match[str] | None) -> int:
    if match is None:
        raise ValueError("not as a list is written")
    return match.end()
