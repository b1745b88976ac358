"""What time it is, and which accounting day that makes it.

Instants are aware and in UTC; days, months and windows are London's. `now` is read at the doors
(pages, the worker, commands) and passed down: nothing below reads it for itself.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Clock:
    """The system's clock, moved by an offset where a local Stripe moves time.

    Attributes:
        offset_file: a file holding whole seconds to add; absent in production, where the settings
            refuse it together with a live key.
    """

    offset_file: Path | None = None

    def now(self) -> datetime:
        """Return this instant."""
        now = datetime.now(UTC)
        if self.offset_file is None:
            return now
        try:
            return now + timedelta(seconds=int(self.offset_file.read_text()))
        except (FileNotFoundError, ValueError):
            return now


def accounting_day(instant: datetime) -> date:
    """Return the London date an instant falls on: the date of the books."""
    return instant.astimezone(LONDON).date()


def month_of(instant: datetime) -> str:
    """Return the London calendar month of an instant, as `2026-11`."""
    return instant.astimezone(LONDON).strftime("%Y-%m")


def start_of_day(day: date) -> datetime:
    """Return the instant a London day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=LONDON).astimezone(UTC)


def month_bounds(month: str) -> tuple[date, date]:
    """Return the first day of a month written `2026-11`, and the first day after it.

    Raises:
        ValueError: it is not written that way.
    """
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).date()
    return first, next_month(first)


def next_month(day: date) -> date:
    """Return the first day of the month after the one `day` is in."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def in_words(day: date) -> str:
    """Write a day as readers do: 5 December 2026."""
    return f"{day.day} {day:%B %Y}"
