"""`./dev chaos --histories N --seed S`: as many histories as one likes, and what became of them."""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.chaos.crash import crash_everywhere
from tests.chaos.play import histories, parts_of, quietly
from tests.chaos.world import World


def main() -> int:
    """Run, and say in the last line how many histories, steps and violations, and the seed."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--crashes", action="store_true", help="kill -9 at every point instead")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    quietly()
    if asked.crashes:
        with tempfile.TemporaryDirectory() as directory:
            return crashes(asked.database, Path(directory))
    return histories(parts_of(asked.histories, asked.seed, asked.database), jobs=asked.jobs)


def crashes(database: str, directory: Path) -> int:
    """Kill a process at every point there is; the last line says how many were hit."""
    world = World(directory, database=database, worker="crash")
    found = crash_everywhere(world, say=partial(print, flush=True))
    world.close()
    print(found.summary())
    return int(not found.complete)


if __name__ == "__main__":
    sys.exit(main())
