"""Rules no reviewer should have to remember: the shape of the code."""

import ast
import re
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("billing", "webhooks", "emails", "service")
COMPANY = ("sandbox", "demo")
MONEY_ROOMS = (
    "billing/money.py", "billing/books", "billing/payments", "billing/giving", "billing/reports",
    "billing/models",
)  # fmt: skip
NAMELESS = set("utils util helpers helper common misc manager managers service services".split())
TEXT = {".py", ".html", ".txt", ".css", ".toml"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
STRIPE_EXPANDS = 4  # levels. Source: https://docs.stripe.com/expand


def python_files(*packages: str) -> list[Path]:
    return sorted(
        path
        for path in chain.from_iterable((ROOT / package).rglob("*.py") for package in packages)
        if "versions" not in path.parts
    )


def lines_of(*packages: str) -> int:
    files = chain.from_iterable((ROOT / package).rglob("*") for package in packages)
    return sum(len(file.read_text().splitlines()) for file in files if file.suffix in TEXT)


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function beneath its docstring."""
    first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    return (function.end_lineno or 0) - first.lineno + 1


def trees(*places: str) -> Iterator[tuple[Path, ast.Module]]:
    for place in places:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield file, ast.parse(file.read_text())


def test_money_is_never_a_float() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees(*MONEY_ROOMS)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Attribute) and node.attr in {"Float", "REAL", "Double"})
    ]
    assert found == []


def test_nothing_is_asked_of_stripe_deeper_than_it_answers() -> None:
    too_deep = [
        f"{path.relative_to(ROOT)}: {level}"
        for path, tree in trees("billing", "demo")
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "expand"
        for level in (c.value for c in ast.walk(value) if isinstance(c, ast.Constant))
        if isinstance(level, str) and level.count(".") >= STRIPE_EXPANDS
    ]
    assert too_deep == []


def test_no_path_in_the_gateway_is_too_deep_though_it_is_put_behind_that_of_a_list() -> None:
    path = re.compile(r"[a-z_]+(\.[a-z_]+)*")
    found = [
        node.value
        for _, tree in trees("billing/stripe_gateway")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and path.fullmatch(node.value)
    ]
    assert "payment.payment_intent" in {each.removeprefix("data.") for each in found}
    deepest = max(each.removeprefix("data.").count(".") for each in found)
    assert deepest + 1 < STRIPE_EXPANDS  # `data.` is a level of its own


def test_stripes_search_is_never_asked() -> None:
    # It lags behind what it searches by a minute and more, and so can decide nothing.
    # Source: https://docs.stripe.com/search#data-freshness
    an_expression = re.compile(r"re|_?[A-Z][A-Z_]*")
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees("billing", "webhooks", "emails", "service", "demo")
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("search")
            and not an_expression.fullmatch(ast.unparse(node.value))
        )
        or (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.rstrip("/").endswith("/search")
        )
    ]
    assert asked == []


def test_every_file_says_by_its_name_what_it_holds() -> None:
    # The package `service` is the running program, and no room of anything.
    found = [
        str(path.relative_to(ROOT))
        for path in python_files(*PRODUCT, *COMPANY)
        if {path.stem, *path.relative_to(ROOT).parts[1:-1]} & NAMELESS
    ]
    assert found == []


def test_files_and_functions_stay_readable() -> None:
    long_files = [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path in python_files(*PRODUCT, *COMPANY)
        if (length := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    long_functions = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in trees(*PRODUCT, *COMPANY)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and length_of(node) > LONGEST_FUNCTION
        and "versions" not in path.parts
    ]
    assert (long_files, long_functions) == ([], [])


def test_the_local_stripe_stays_less_than_a_third_of_the_product() -> None:
    assert lines_of("sandbox") * 3 < lines_of(*PRODUCT)


def test_only_doors_and_conversations_with_stripe_open_a_unit_of_work() -> None:
    may = re.compile(
        r"billing/(web|checkout|subscriptions|giving|payments|reconciliation|queue|catalogue|db\.py"
        r"|access/(basis|check|wall)\.py|stripe_gateway/(commands|whose)\.py)"
        r"|webhooks|emails|service"
    )
    found = [
        str(path.relative_to(ROOT))
        for path in python_files("billing")
        if re.search(r"\.unit_of_work\(\)", path.read_text())
        and not may.match(str(path.relative_to(ROOT)))
    ]
    assert found == []


def test_nothing_below_the_doors_reads_the_time_for_itself() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees("billing", "webhooks", "emails")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"now", "utcnow", "today"}
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"datetime", "date"}
        and path.name != "clock.py"
    ]
    assert found == []


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_the_locks_name_versions_and_hashes_and_no_place_to_fetch_from(lock: str) -> None:
    text = (ROOT / lock).read_text()
    named = re.findall(r"^[a-zA-Z0-9_.\[\]-]+==\S+", text, re.MULTILINE)
    assert len(named) > 50
    assert not re.search(r"://|--index|--find-links| @ ", text)


def test_nothing_that_only_one_machine_has_is_kept() -> None:
    kept = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    wrong = re.compile(r"(^|/)(\.venv|var|build|dist|__pycache__|\.env)(/|$)|\.(pyc|db|sqlite3)$")
    assert [path for path in kept if wrong.search(path)] == []
