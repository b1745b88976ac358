"""`./dev chaos --histories N --seed S`: as many histories as one likes, and what became of them."""

import argparse
import logging
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

import hypothesis
import structlog
from hypothesis.stateful import run_state_machine_as_test
from stripe import HTTPClient

from tests.chaos.crash import crash_everywhere
from tests.chaos.machine import STEPS, Histories
from tests.chaos.world import World

_STEPS = 14  # at most, in one history


def play(world: World, *, histories: int, seed: int, shrink: bool = True) -> None:
    """Play histories in a world, and raise what was wrong with the shortest that shows it."""
    Histories.world = world
    shortest = (hypothesis.Phase.shrink,) if shrink else ()
    settings = hypothesis.settings(
        max_examples=histories,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[hypothesis.Phase.generate, *shortest],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(Histories), settings=settings)


def run(histories: int, seed: int, database: str, directory: Path) -> str:
    """Play so many histories in a world of their own; return what was wrong, '' for nothing."""
    world = World(directory, database=database, worker=f"chaos{seed}")
    try:
        play(world, histories=histories, seed=seed)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told with its history
        return "".join(traceback.format_exception(error, limit=-4))
    finally:
        world.close()
    return ""


def main() -> int:
    """Run, and say in the last line how many histories, steps and violations, and the seed."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", action="store_true", help="kill -9 at every point instead")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    quietly()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        if asked.crashes:
            return crashes(asked.database, Path(directory))
        wrong = run(asked.histories, asked.seed, asked.database, Path(directory))
    if wrong:
        print(wrong)
    seen = ", ".join(f"{count} {what}" for what, count in sorted(STEPS.items()))
    print(f"met on the way: {seen}; {time.monotonic() - began:.0f} s on {asked.database}")
    print(
        f"histories {STEPS['histories']}, steps {STEPS['steps']}, violations {int(bool(wrong))},"
        f" seed {asked.seed}"
    )
    return int(bool(wrong))


def crashes(database: str, directory: Path) -> int:
    """Kill a process at every point there is; the last line says how many were hit."""
    world = World(directory, database=database, worker="crash")
    found = crash_everywhere(world, say=partial(print, flush=True))
    world.close()
    print(found.summary())
    return int(not found.complete)


def quietly() -> None:
    """Log nothing, and let the SDK ask again at once: what is slow in life is only slow here."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    HTTPClient.INITIAL_DELAY = HTTPClient.MAX_DELAY = 0


if __name__ == "__main__":
    sys.exit(main())
