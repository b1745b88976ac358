"""Accepting webhooks on PostgreSQL against their floor, and a burst of 10,000.

The floor is the same server and driver: one HMAC, and one committed, deduplicated row of the same
columns and indexes, written straight, on as many connections as a pool of ours holds.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks._events import SECRET, charge_updated
from benchmarks._measure import Server, compare, drive, floor, keep, last_line, product
from benchmarks._plot import bars
from benchmarks._setting import Setting, setting, syncs_per_second
from billing.models import StripeEvent

_BURST = 10_000
_THREADS = 20  # of the floor


def main() -> None:
    """Measure, and print a line for each; with `--keep`, beside this file too."""
    parser = argparse.ArgumentParser(prog="./dev bench webhooks")
    parser.add_argument("--keep", action="store_true", help="keep the figures and draw them")
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    with ExitStack() as stack:
        here = stack.enter_context(setting("postgresql"))
        least = stack.enter_context(_floor(here))
        ours = stack.enter_context(product(here.env))
        found: dict[str, Any] = {
            "syncs_per_second": syncs_per_second(str(Path(here.env["LOG"]).parent))
        }
        for connections in (1, 10, 50):
            row = compare(
                f"{connections} at once",
                (ours, charge_updated),
                (least, charge_updated),
                connections=connections,
                rounds=given.rounds,
            )
            found |= {f"{name}_{connections}": value for name, value in row.items()}
        found |= _burst(here, ours, connections=10)
        found |= _burst(here, ours, connections=50)
    found["p99_burst_ms"] = found["p99_burst_50_ms"]
    if given.keep:
        keep("webhooks", found, bars("Webhooks accepted, committed, a second", found))
    last_line(**found)


def _floor(here: Setting) -> Any:
    address = here.db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    env = {
        "FLOOR_DATABASE": address,
        "FLOOR_SECRET": SECRET.decode(),
        "FLOOR_THREADS": f"{_THREADS}",
    }
    return floor("benchmarks._floors:verify_and_insert()", env)


def _burst(here: Setting, ours: Server, *, connections: int) -> dict[str, float]:
    """Send 10,000 as fast as they are taken, and count what is stored."""
    before = _stored(here)
    asks = (charge_updated(10**9 * connections + number) for number in range(_BURST))
    load = drive(ours, asks, connections=connections)
    lost = _BURST - (_stored(here) - before)
    found = {
        f"p50_burst_{connections}_ms": round(load.within(50), 1),
        f"p99_burst_{connections}_ms": round(load.within(99), 1),
        f"burst_{connections}_per_second": round(load.per_second),
        f"lost_{connections}": lost,
    }
    print(f"a burst of {_BURST:,}, {connections} at once: {found}", flush=True)
    return found


def _stored(here: Setting) -> int:
    with here.db.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(StripeEvent)) or 0


if __name__ == "__main__":
    main()
