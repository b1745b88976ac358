"""The front door says what is so: each promise has its test, and its sizes are the code's."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TEXT = {".py", ".html", ".txt", ".css", ".toml"}


def test_every_test_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", README))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }

    assert named
    assert named - there == set()


def test_every_promise_has_its_row_and_every_row_a_test() -> None:
    rows = re.findall(r"^\| (I\d+) \| .+ \| (.+) \|$", README, re.MULTILINE)

    assert [number for number, _ in rows] == [f"I{n}" for n in range(1, 13)]
    assert [number for number, shown in rows if "`test_" not in shown] == []


def test_it_says_when_the_contract_with_stripe_last_ran() -> None:
    last = (ROOT / "tests/contract/last_run.txt").read_text().strip()

    assert f"Contract with real Stripe last ran: {last} (" in " ".join(README.split())


def test_every_file_it_links_to_exists() -> None:
    linked = {link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link}

    assert {link for link in linked if not (ROOT / link).exists()} == set()


def test_the_sizes_it_states_are_within_a_tenth() -> None:
    stated = re.search(
        r"product ([\d,]+) lines, local Stripe ([\d,]+), demonstration ([\d,]+), tests ([\d,]+)",
        README,
    )
    assert stated is not None
    sizes = [int(figure.replace(",", "")) for figure in stated.groups()]
    product = ("billing", "webhooks", "emails", "service")

    for size, rooms in zip(sizes, (product, ("sandbox",), ("demo",), ("tests",)), strict=True):
        assert abs(size - _lines(*rooms)) <= _lines(*rooms) / 10, (rooms, _lines(*rooms))


def _lines(*rooms: str) -> int:
    files = (file for room in rooms for file in (ROOT / room).rglob("*") if file.suffix in TEXT)
    return sum(len(file.read_text().splitlines()) for file in files)
