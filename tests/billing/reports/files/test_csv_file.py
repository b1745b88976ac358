"""CSV for people."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.reports.files.csv_file import Cell, chunks


def written(*rows: list[Cell], width: int = 1) -> str:
    return b"".join(chunks(rows, width=width)).decode("utf-8")


def test_a_file_has_a_bom_and_windows_line_ends_and_records_of_one_width() -> None:
    assert written(["Łódź"], ["a", 1], width=3) == "\N{ZERO WIDTH NO-BREAK SPACE}Łódź,,\r\na,1,\r\n"


def test_commas_quotes_and_lines_stay_inside_their_cell() -> None:
    file = written(['said "no", twice\nover'])

    assert next(csv.reader(io.StringIO(file.removeprefix("\ufeff"), newline=""))) == [
        'said "no", twice\nover'
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_text_becomes_a_formula(start: str) -> None:
    file = written([f"{start}HYPERLINK(1)"]).removeprefix("\ufeff")

    assert next(csv.reader(io.StringIO(file, newline=""))) == [f"'{start}HYPERLINK(1)"]


def test_a_zero_byte_cannot_hide_a_formula() -> None:
    assert written(["\0=1+1"]) == "\ufeff'=1+1\r\n"


def test_numbers_and_days_are_written_as_they_are_even_below_zero() -> None:
    assert written([Decimal("-10.00"), -3, date(2026, 11, 23)], width=3) == (
        "\ufeff-10.00,-3,2026-11-23\r\n"
    )


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=5))
def test_whatever_is_written_reads_back_as_the_same_cells(cells: list[str]) -> None:
    file = written([*cells, "end"], width=len(cells) + 1).removeprefix("\ufeff")

    (record,) = csv.reader(io.StringIO(file, newline=""))
    plain = [cell.replace("\0", "") for cell in cells]
    read = [cell.removeprefix("'") if cell[1:] in plain else cell for cell in record]
    assert read == [*plain, "end"]


def test_a_long_file_comes_in_pieces() -> None:
    pieces = list(chunks(([("x" * 1000)] for _ in range(1000)), width=1))

    assert len(pieces) > 10
    assert max(len(piece) for piece in pieces) < 100_000
