"""A month of the books: London days from the first to the last, whatever the clocks did."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.clock import month_bounds, month_of, start_of_day
from billing.errors import RefusedError
from billing.models import BalanceTransaction

_WRITTEN: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


class MonthError(RefusedError):
    """What was given is not a month; the message says how to write one."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month.

    Attributes:
        first: its first day.
        after: the first day after it.
    """

    first: date
    after: date

    @property
    def key(self) -> str:
        """The month as it is asked for: `2026-11`."""
        return f"{self.first:%Y-%m}"

    @property
    def name(self) -> str:
        """The month in words: `November 2026`."""
        return f"{self.first:%B %Y}"

    @property
    def last(self) -> date:
        """Its last day."""
        return self.after - timedelta(days=1)

    @property
    def period(self) -> str:
        """The days it covers, with their time zone."""
        days = f"{self.first.day} to {self.last.day} {self.last:%B %Y}"
        return f"{days}, London days (Europe/London)"

    @property
    def begins(self) -> datetime:
        """The instant its first day begins."""
        return start_of_day(self.first)

    @property
    def ends(self) -> datetime:
        """The instant the first day after it begins."""
        return start_of_day(self.after)

    @property
    def before(self) -> "Month":
        """The month before it."""
        return read_month(f"{self.first - timedelta(days=1):%Y-%m}")

    @property
    def following(self) -> "Month":
        """The month after it."""
        return read_month(f"{self.after:%Y-%m}")


def read_month(written: str) -> Month:
    """Read a month written `2026-11`.

    Raises:
        MonthError: it is not written that way, or is not in this century.
    """
    if _WRITTEN.fullmatch(written) is None:
        shown = written[:20]
        raise MonthError(f"not a month: {shown!r}; write the year and the month, like 2026-11")
    return Month(*month_bounds(written))


def month_at(instant: datetime) -> Month:
    """Return the month an instant falls in, in London."""
    return read_month(month_of(instant))


def months_so_far(session: Session, *, now: datetime) -> list[Month]:
    """Return every month since the first movement, the present one first."""
    began = session.scalar(sa.select(sa.func.min(BalanceTransaction.created_at)))
    first = month_at(min(began or now, now))
    months = [month_at(now)]
    while months[-1].first > first.first:
        months.append(months[-1].before)
    return months
