"""Billing periods: the same day each month, or the last day of a month too short for it.

Source: https://docs.stripe.com/billing/subscriptions/billing-cycle
"""

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


def period_end(anchor: int, start: int, rhythm: Mapping[str, Any]) -> int:
    """Return the end of the period that begins at `start`, counted from the anchor."""
    return period_around(anchor, start, rhythm)[1]


def period_around(anchor: int, moment: int, rhythm: Mapping[str, Any]) -> tuple[int, int]:
    """Return the period in which `moment` lies; `rhythm` is the `recurring` of a price."""
    interval, count, n = rhythm["interval"], rhythm["interval_count"], 1
    while after(anchor, interval, count * n) <= moment:
        n += 1
    while after(anchor, interval, count * (n - 1)) > moment:
        n -= 1
    return after(anchor, interval, count * (n - 1)), after(anchor, interval, count * n)


def after(anchor: int, interval: str, count: int) -> int:
    """Return the moment `count` intervals after the anchor."""
    first = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((first + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = first.month - 1 + _MONTHS[interval] * count
    year, month = first.year + months // 12, months % 12 + 1
    day = min(first.day, calendar.monthrange(year, month)[1])
    return int(first.replace(year=year, month=month, day=day).timestamp())


def share(amount: int, part: int, whole: int) -> int:
    """Return the part of an amount; half a penny is rounded away from zero."""
    size = (2 * abs(amount) * part + whole) // (2 * whole)
    return size if amount >= 0 else -size
