"""A month of the books."""

from datetime import UTC, date, datetime

import pytest

from billing.reports.month import MonthError, month_at, read_month


def test_a_month_has_londons_bounds_whatever_the_clocks_did() -> None:
    june, march = read_month("2026-06"), read_month("2027-03")

    assert (june.begins.timestamp(), june.ends.timestamp()) == (1780268400, 1782860400)
    assert (march.begins.timestamp(), march.ends.timestamp()) == (1803859200, 1806534000)


def test_october_has_an_hour_more() -> None:
    october = read_month("2026-10")

    assert (october.ends - october.begins).total_seconds() == 745 * 3600


def test_a_month_knows_its_days_its_neighbours_and_its_name() -> None:
    december = read_month("2026-12")

    assert (december.first, december.last) == (date(2026, 12, 1), date(2026, 12, 31))
    assert (december.before.key, december.following.key) == ("2026-11", "2027-01")
    assert december.period == "1 to 31 December 2026, London days (Europe/London)"


def test_half_past_eleven_at_night_in_june_by_the_suns_clock_is_july() -> None:
    assert month_at(datetime(2026, 6, 30, 23, 30, tzinfo=UTC)).key == "2026-07"


@pytest.mark.parametrize(
    "written", ["", "2026", "2026-13", "2026-00", "2026-1", "1926-11", "November", "2026-11\n"]
)
def test_what_is_not_a_month_is_refused_with_how_to_write_one(written: str) -> None:
    with pytest.raises(MonthError, match="write the year and the month, like 2026-11"):
        read_month(written)
