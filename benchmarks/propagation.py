"""How soon two web processes know of a right that began or ended, on each database.

Readers are refused by both processes, which remember them so. Each is then granted a right, and
has it taken back; both processes are asked again and again until each has changed its answer.
"""

import argparse
import http.client
import random
import statistics
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from benchmarks import _asks
from benchmarks._measure import keep, last_line, product
from benchmarks._plot import dots
from benchmarks._setting import Setting, setting
from billing import readers, sign_in
from billing.access.entitlements import Term, grant, revoke
from billing.models import EntitlementSource

_PAUSE = 0.05  # at most, so that no grant keeps step with what a process does at intervals
_TOO_LONG = 30

Doors = tuple[http.client.HTTPConnection, ...]
Person = tuple[UUID, str]  # and the token of their cookie


def main() -> None:
    """Measure, and print a line for each; with `--keep`, beside this file too."""
    parser = argparse.ArgumentParser(prog="./dev bench propagation")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), help="one instead of both")
    parser.add_argument("--grants", type=int, default=300)
    parser.add_argument("--keep", action="store_true", help="keep the figures and draw them")
    given = parser.parse_args()
    kinds = (given.database,) if given.database else ("postgresql", "sqlite")
    waits: dict[str, list[float]] = {}
    for kind in kinds:
        waits |= _on(kind, given.grants)
    rows = {name: _row(name, each) for name, each in waits.items()}
    found: dict[str, Any] = {"p99_s": max(row["p99_s"] for row in rows.values()), **rows}
    if given.keep:
        title = "From the commit until two processes have answered by it, in milliseconds"
        keep("propagation", found, dots(title, waits))
    last_line(**found, grants=given.grants)


def _on(kind: str, grants: int) -> dict[str, list[float]]:
    """Return the seconds that each beginning and each end of a right took."""
    with ExitStack() as stack:
        here = stack.enter_context(setting(kind))
        env = {**here.env, "BILLING_PAYWALL__LIMIT": "0"}
        doors: Doors = tuple(
            http.client.HTTPConnection("127.0.0.1", stack.enter_context(product(env)).port)
            for _ in range(2)
        )
        people = [_reader(here) for _ in range(grants)]
        begun = [_timed(here, doors, person, granted=True) for person in people]
        ended = [_timed(here, doors, person, granted=False) for person in people]
    return {f"{kind}_begin": begun, f"{kind}_end": ended}


def _reader(here: Setting) -> Person:
    now = datetime.now(UTC)
    with here.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        return reader.id, sign_in.begin_session(session, reader_id=reader.id, now=now)


def _begin(session: Session, reader_id: UUID, *, now: datetime) -> None:
    grant(
        session,
        reader_id=reader_id,
        source=EntitlementSource.COMP,
        source_id=str(reader_id),
        term=Term(now, now + timedelta(days=30), "measured"),
        now=now,
    )


def _end(session: Session, reader_id: UUID, *, now: datetime) -> None:
    revoke(session, source=EntitlementSource.COMP, source_id=str(reader_id), now=now)


def _timed(here: Setting, doors: Doors, person: Person, *, granted: bool) -> float:
    """Change what somebody may read; return the seconds until both processes answer by it."""
    reader_id, token = person
    _until(doors, token, granted=not granted)  # both remember how it was
    time.sleep(random.uniform(0, _PAUSE))  # noqa: S311
    with here.db.unit_of_work() as session:
        (_begin if granted else _end)(session, reader_id, now=datetime.now(UTC))
    began = time.perf_counter()
    _until(doors, token, granted=granted)
    return time.perf_counter() - began


def _until(doors: Doors, token: str, *, granted: bool) -> None:
    """Ask each process until it has answered so.

    Raises:
        RuntimeError: it does not in any time.
    """
    late, asking = time.perf_counter() + _TOO_LONG, list(doors)
    while asking:
        asking = [door for door in asking if _granted(door, token) is not granted]
        if time.perf_counter() > late:
            raise RuntimeError(f"after {_TOO_LONG} s a process still answers as before")


def _granted(door: http.client.HTTPConnection, token: str) -> bool:
    said, _ = _asks.answer(door, f"reader={token}", "new")
    return bool(said["access"] == "granted")


def _row(name: str, waits: list[float]) -> dict[str, float]:
    percents = statistics.quantiles(waits, n=100, method="inclusive")
    row = {
        "p50_s": round(percents[49], 4),
        "p99_s": round(percents[98], 4),
        "max_s": round(max(waits), 4),
    }
    print(f"{name:20} {row}", flush=True)
    return row


if __name__ == "__main__":
    main()
