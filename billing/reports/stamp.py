"""What every report prints of itself: whose books, which days, who asked and when, how final."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.clock import LONDON
from billing.reports.month import Month

_UNITS: Final = "Pounds and pence, or the currency named"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who ran a report, and when.

    Attributes:
        legal_name: the society's registered name.
        by: a member of staff by name, or `command line`.
        at: the instant it was run.
    """

    legal_name: str
    by: str
    at: datetime

    def lines(
        self, title: str, month: Month, *, signs: str, cut_off: datetime | None
    ) -> Iterator[list[str]]:
        """Yield the head of a report, one labelled line after another.

        Args:
            title: what is reported.
            month: the period.
            signs: what a minus means in its columns, and how they add up.
            cut_off: the newest movement at Stripe that was known; None where none is.
        """
        yield [self.legal_name]
        yield [title]
        yield ["Period", month.period]
        yield ["Generated", f"{written(self.at)} by {self.by}"]
        yield ["Source data up to", written(cut_off) if cut_off else "nothing received yet"]
        yield ["Filters", "none"]
        yield ["Amounts", f"{_UNITS}; {signs}"]
        yield ["Status", self.status(month)]

    def status(self, month: Month) -> str:
        """Say how final a month is when it is asked for; nothing is locked yet."""
        if self.at < month.begins:
            return "DRAFT: this month has not begun"
        if self.at < month.ends:
            return "DRAFT: this month is not over"
        return "DRAFT: this period is not locked; late entries may still change it"


def written(instant: datetime) -> str:
    """Write an instant as a London day and hour, with which clock it is."""
    local = instant.astimezone(LONDON)
    return f"{local:%Y-%m-%d %H:%M} {local:%Z}"
