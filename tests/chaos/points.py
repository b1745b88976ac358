"""Where a process may die: after every commit, and on either side of every call to Stripe.

The points are named by the product's own function that was at work, so that the list found by
walking through a day and the list found by reading the source can be held against each other.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("billing", "webhooks", "emails", "service")
# Between whoever acts and the commit or the call: how, and not what.
_HOW = {"billing/db.py", "billing/stripe_gateway/client.py", "billing/reconciliation/rehearsal.py"}
# People at a keyboard begin these, one at a time, and see how they went.
BY_HAND = (
    "service/cli",
    "service/checks.py",
    "billing/catalogue",
    "billing/stripe_gateway/catalogue.py",
    "billing/stripe_gateway/endpoints.py",
    "billing/reconciliation/adopt.py",
    "billing/web/office",
)

Reached = Callable[[str], None]


@contextmanager
def watched(reached: Reached) -> Iterator[None]:
    """Call `reached` with the name of every point this process comes by."""
    commit: Any = DefaultDialect.do_commit
    send: Any = requests.Session.send

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        commit(dialect, connection)
        reached(_named("committed"))

    def ask(session: requests.Session, request: Any, **how: Any) -> Any:
        reached(_named("asking"))
        answer = send(session, request, **how)
        reached(_named("answered"))
        return answer

    def stored(connection: sa.Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        alone = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if alone and statement.startswith("INSERT"):
            reached(_named("committed"))

    put: Any = setattr  # these are not ours to redefine, and for one process we do
    put(DefaultDialect, "do_commit", do_commit)
    put(requests.Session, "send", ask)
    sa.event.listen(sa.Engine, "after_cursor_execute", stored)
    try:
        yield
    finally:
        put(DefaultDialect, "do_commit", commit)
        put(requests.Session, "send", send)
        sa.event.remove(sa.Engine, "after_cursor_execute", stored)


def _named(what: str) -> str:
    frame = sys._getframe(1)
    while frame is not None:
        place = frame.f_code.co_filename
        if place.startswith(str(ROOT)):
            file = str(Path(place).relative_to(ROOT))
            if file.split("/", maxsplit=1)[0] in ROOMS and file not in _HOW:
                name = frame.f_code.co_qualname.split(".<locals>")[0]
                return f"{what} {file}:{name}"
        frame = frame.f_back  # type: ignore[assignment]
    return f"{what} elsewhere"


def written_down() -> set[str]:
    """Return every point the source has, by reading it: what a day should come by."""
    found: set[str] = set()
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            name = str(file.relative_to(ROOT))
            if name not in _HOW and not name.startswith(BY_HAND):
                found |= set(_points_of(ast.parse(file.read_text()), name))
    return found


def _points_of(tree: ast.Module, file: str, within: str = "") -> Iterator[str]:
    def walk(node: ast.AST, name: str, outermost: bool) -> Iterator[str]:  # noqa: FBT001
        for child in ast.iter_child_nodes(node):
            inner, deeper = name, outermost
            if isinstance(child, ast.ClassDef):
                inner = f"{name}.{child.name}".lstrip(".")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and outermost:
                inner, deeper = f"{name}.{child.name}".lstrip("."), False
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
                at = f"{file}:{inner}"
                if child.func.attr == "unit_of_work":
                    yield f"committed {at}"
                elif child.func.attr in {"ask", "ask_for"} and _is_the_gateway(child.func.value):
                    yield from (f"asking {at}", f"answered {at}")
            yield from walk(child, inner, deeper)

    yield from walk(tree, within, outermost=True)


def _is_the_gateway(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in {"gateway", "_gateway"}
