"""Instants are UTC; days, months and windows are London's, summer and winter."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from billing.clock import Clock, accounting_day, month_bounds, month_of, next_month, start_of_day


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 6, 30, 23, 30, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2027, 3, 31, 23, 15, tzinfo=UTC), date(2027, 4, 1)),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), date(2026, 12, 31)),
    ],
)
def test_the_day_of_the_books_is_londons(instant: datetime, day: date) -> None:
    assert accounting_day(instant) == day
    assert month_of(instant) == day.strftime("%Y-%m")


@pytest.mark.parametrize(
    ("month", "starts", "ends", "hours"),
    [
        ("2026-06", 1780268400, 1782860400, 720),
        ("2027-03", 1803859200, 1806534000, 743),
        ("2026-10", 1790809200, 1793491200, 745),
    ],
)
def test_a_month_has_the_hours_london_gives_it(
    month: str, starts: int, ends: int, hours: int
) -> None:
    first, after = map(start_of_day, month_bounds(month))

    assert (first.timestamp(), after.timestamp()) == (starts, ends)
    assert (after - first).total_seconds() == hours * 3600


@pytest.mark.parametrize("written", ["2026-13", "2026", "november", "", "2026-1-1"])
def test_what_is_no_month_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        month_bounds(written)


def test_after_december_comes_january() -> None:
    assert next_month(date(2026, 12, 31)) == date(2027, 1, 1)


def test_the_clock_follows_its_file_and_runs_on_without_one(tmp_path: Path) -> None:
    file = tmp_path / "offset"
    clock = Clock(file)
    before = datetime.now(UTC)
    assert abs((clock.now() - before).total_seconds()) < 5

    file.write_text("86400")
    assert 86_395 < (clock.now() - before).total_seconds() < 86_405
