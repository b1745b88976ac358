"""The paywall check against its floors, on both databases, and with few readers and with many.

The floors are what no application on this server and driver could do without: to answer at all, to
find one row, to commit one. All are measured in this run, in turns with ours.
"""

import argparse
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import _people, _wall
from benchmarks._measure import keep, last_line
from benchmarks._plot import Pair, shares
from benchmarks._setting import setting, syncs_per_second

_WARM = ("warm_subscriber", "warm_refused", "warm_reread")
_GROWTH = ("growth_warm", "growth_cold")
_DRAWN = {
    "warm_subscriber": "subscriber",
    "warm_refused": "refused",
    "warm_reread": "re-read",
    "cold": "not seen before",
    "counted": "counted",
}


def main() -> None:
    """Measure, and print a line for each; with `--keep`, beside this file too."""
    parser = argparse.ArgumentParser(prog="./dev bench check")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), help="one instead of both")
    parser.add_argument("--readers", type=int, help="in the larger database")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="keep the figures and draw them")
    given = parser.parse_args()
    size = _wall.Size(given.readers or (1_000_000 if given.keep else 60_000), given.rounds)
    kinds = (given.database,) if given.database else ("postgresql", "sqlite")
    each = {kind: _on(kind, size) for kind in kinds}
    found = {**_worst(each), "readers": size.readers, **each}
    if given.keep:
        drawn = {kind: _pairs(rows) for kind, rows in each.items()}
        keep("check", found, shares("The paywall check: answers a second, of the floor", drawn))
    last_line(**found)


def _on(kind: str, size: _wall.Size) -> dict[str, Any]:
    """Measure everything on one database."""
    with ExitStack() as stack:
        many, few = stack.enter_context(setting(kind)), stack.enter_context(setting(kind))
        began, now = time.perf_counter(), datetime.now(UTC)
        _people.make(many.db, size.readers, now=now)
        _people.make(few.db, _wall.FEW, now=now)
        print(
            f"{kind}: {size.readers:,} readers in {time.perf_counter() - began:.0f} s", flush=True
        )
        return {
            "syncs_per_second": syncs_per_second(str(Path(many.env["LOG"]).parent)),
            **_wall.warm(many, size),
            **_wall.cold(many, size),
            **_wall.counted(many, size),
            **_wall.growth(few, many, size),
            **_wall.start(many, size),
        }


def _worst(each: Mapping[str, Any]) -> dict[str, float]:
    """Return the ratios that are promised, each where it is least."""

    def least(*names: str) -> float:
        return min(float(rows[name]["ratio"]) for rows in each.values() for name in names)

    return {
        "ratio_warm": least(*_WARM),
        "p99_ratio_warm": max(rows[name]["p99_ratio"] for rows in each.values() for name in _WARM),
        "ratio_cold": least("cold"),
        "ratio_counted": least("counted"),
        "growth": least(*_GROWTH),
    }


def _pairs(rows: Mapping[str, Any]) -> list[Pair]:
    return [
        Pair(words, rows[name]["per_second"], rows[name]["floor_per_second"], rows[name]["ratio"])
        for name, words in _DRAWN.items()
    ]


if __name__ == "__main__":
    main()
