"""Billing periods: the same day each month, or the last day of a month too short for it.

Source: https://docs.stripe.com/billing/subscriptions/billing-cycle
"""

import calendar
from datetime import UTC, datetime, timedelta

_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


def period_end(anchor: int, start: int, interval: str, count: int) -> int:
    """Return the end of the period that begins at `start`, counted from the anchor."""
    n = 1
    while (end := _after(anchor, interval, count * n)) <= start:
        n += 1
    return end


def _after(anchor: int, interval: str, count: int) -> int:
    first = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((first + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = first.month - 1 + _MONTHS[interval] * count
    year, month = first.year + months // 12, months % 12 + 1
    day = min(first.day, calendar.monthrange(year, month)[1])
    return int(first.replace(year=year, month=month, day=day).timestamp())
