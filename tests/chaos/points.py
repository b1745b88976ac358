"""Where a process may die: after every commit, and on either side of every call to Stripe.

The points are named by the product's own function that was at work, and numbered where it has
several, so that what is met in playing the scenes and what is found by reading the source can be
held against each other: either list would miss what only the other has.
"""

import ast
import functools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from sqlalchemy.engine.default import DefaultDialect

from billing import driver
from webhooks import writer

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("billing", "webhooks", "emails", "service")
# Between whoever acts and the commit or the call: how, and not what. A rehearsal commits nothing.
_HOW = {
    "billing/db.py",
    "billing/driver.py",
    "billing/stripe_gateway/client.py",
    "billing/reconciliation/rehearsal.py",
}
_PLAINLY = ("commit", "connection")

Reached = Callable[[str], None]


@contextmanager
def watched(reached: Reached) -> Iterator[None]:
    """Call `reached` with the name of every point this process comes by."""
    commit: Any = DefaultDialect.do_commit
    send: Any = requests.Session.send
    store: Any = writer._Connection._run  # the driver's own commit, in two ways
    write: Any = driver.Connection.commit

    def come_by(what: str) -> None:
        if name := _named(what):
            reached(name)

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        commit(dialect, connection)
        come_by("committed")

    def ask(session: requests.Session, request: Any, **how: Any) -> Any:
        come_by("asking")
        answer = send(session, request, **how)
        come_by("answered")
        return answer

    def stored(connection: Any, rows: Any) -> Any:
        new = store(connection, rows)
        reached(f"committed webhooks/writer.py:{store.__qualname__}")
        return new

    def written(connection: Any, statement: Any, **given: Any) -> Any:
        rows = write(connection, statement, **given)
        come_by("committed")
        return rows

    changes = (
        (DefaultDialect, "do_commit", do_commit, commit),
        (requests.Session, "send", ask, send),
        (writer._Connection, "_run", stored, store),
        (driver.Connection, "commit", written, write),
    )
    put: Any = setattr  # these are not ours to redefine, and for one process we do
    for owner, name, ours, _ in changes:
        put(owner, name, ours)
    try:
        yield
    finally:
        for owner, name, _, theirs in changes:
            put(owner, name, theirs)


def _named(what: str) -> str:
    """Name what is at work; '' where it is no point: the end of a reading, or nothing of ours."""
    frame = sys._getframe(1)
    while frame is not None:
        place = frame.f_code.co_filename
        if place.startswith(str(ROOT)):
            file = str(Path(place).relative_to(ROOT))
            if file == "billing/db.py" and frame.f_code.co_name == "reading":
                return ""
            if file.split("/", maxsplit=1)[0] in ROOMS and file not in _HOW:
                within = frame.f_code.co_qualname.split(".<locals>")[0]
                return _which(f"{what} {file}:{within}", file, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def written_down() -> set[str]:
    """Return every point the source has, by reading it: what the scenes should come by."""
    files = (str(f.relative_to(ROOT)) for room in ROOMS for f in (ROOT / room).rglob("*.py"))
    return {
        _numbered(name, number, places)
        for file in files
        if file not in _HOW
        for name, places in _places_in(file).items()
        for number, _ in enumerate(places, start=1)
    }


def _which(name: str, file: str, line: int) -> str:
    """Name one of several places a function has, by the line it is at."""
    places = _places_in(file).get(name, [])
    here = (number for number, lines in enumerate(places, start=1) if line in lines)
    return _numbered(name, next(here, 0), places)


def _numbered(name: str, number: int, places: Sequence[range]) -> str:
    return f"{name} ({number})" if len(places) > 1 else name


@functools.cache
def _places_in(file: str) -> Mapping[str, list[range]]:
    """Return the lines of each place in a file where a process may die, by its function's name."""
    found: dict[str, list[range]] = defaultdict(list)
    for name, lines in _points_of(ast.parse((ROOT / file).read_text()), file):
        found[name].append(lines)
    return found


def _points_of(tree: ast.Module, file: str) -> Iterator[tuple[str, range]]:
    def walk(node: ast.AST, name: str, outermost: bool) -> Iterator[tuple[str, range]]:  # noqa: FBT001
        for child in ast.iter_child_nodes(node):
            inner, deeper = name, outermost
            if isinstance(child, ast.ClassDef):
                inner = f"{name}.{child.name}".lstrip(".")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and outermost:
                inner, deeper = f"{name}.{child.name}".lstrip("."), False
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
                lines = range(child.lineno, (child.end_lineno or child.lineno) + 1)
                for what in _kinds(child.func):
                    yield f"{what} {file}:{inner}", lines
            yield from walk(child, inner, deeper)

    yield from walk(tree, "", outermost=True)


def _kinds(call: ast.Attribute) -> tuple[str, ...]:
    if call.attr in {"ask", "ask_for"} and _is_the_gateway(call.value):
        return ("asking", "answered")
    return ("committed",) if _commits(call) else ()


def _commits(call: ast.Attribute) -> bool:
    """Whether it opens what will be committed, or commits a connection; a savepoint is neither."""
    of = getattr(call.value, "id", "")
    return call.attr in {"unit_of_work", "raw_connection"} or (call.attr, of) == _PLAINLY


def _is_the_gateway(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in {"gateway", "_gateway"}
