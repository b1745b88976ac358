"""Every row of `tests/failures.md` names a test there is, or says what it waits for."""

import ast
import re
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"F": 47, "H": 37}
ROW = re.compile(r"^\| ([FH]\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([^`]+)`")
WAITS = re.compile(r"(?:^|; )(?:waits for|open): .{10,}")


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall((ROOT / "tests/failures.md").read_text())


@cache
def defined_in(place: str) -> frozenset[str]:
    """Return the names of the tests a file defines."""
    file = ROOT / place
    if not file.is_file():
        return frozenset()
    functions = (n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef))
    return frozenset(f.name for f in functions if f.name.startswith("test_"))


def test_every_failure_is_in_its_table_once_and_in_order() -> None:
    expected = [f"{table}{n}" for table, last in TABLES.items() for n in range(1, last + 1)]

    assert [number for number, _, _ in rows()] == expected


def test_every_test_a_row_names_exists() -> None:
    missing = [
        (number, named)
        for number, _, shown in rows()
        for named in NAMED.findall(shown)
        if named.rpartition("::")[2] not in defined_in(named.partition("::")[0])
    ]
    assert missing == []


def test_every_row_has_a_test_of_its_own() -> None:
    named = {number: set(NAMED.findall(shown)) for number, _, shown in rows()}
    often = Counter(chain.from_iterable(named.values()))

    assert [
        row for row, tests in named.items() if tests and min(often[test] for test in tests) > 1
    ] == []


def test_every_row_names_a_test_or_what_it_waits_for() -> None:
    neither = [
        number for number, _, shown in rows() if not NAMED.search(shown) and not WAITS.search(shown)
    ]
    assert neither == []


@pytest.mark.parametrize("number", TABLES)
def test_a_row_is_one_sentence(number: str) -> None:
    said = [hurt for row, hurt, _ in rows() if row.startswith(number)]

    assert [hurt for hurt in said if not hurt.endswith(".") or len(hurt) > 120] == []
