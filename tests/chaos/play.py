"""Playing as many histories as one likes, on every processor there is."""

import gc
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import hypothesis
import structlog
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import run_state_machine_as_test
from stripe import HTTPClient

from billing.queue import lease
from tests.chaos.machine import STEPS, Histories
from tests.chaos.world import World

_STEPS = 12  # at most, in one history
_TOGETHER = 200  # histories in one world
_ENOUGH = 20  # violations, to look into before more is played


class _Anew(HypothesisProvider):
    """Draws every history anew, from the seed alone.

    Hypothesis makes most examples by repeating parts of the one before, or by cutting it short.
    What it repeats seldom fits here, so half of the histories were nothing but polls.
    """


AVAILABLE_PROVIDERS["anew"] = _Anew


@dataclass(frozen=True)
class Part:
    """Some of the histories, in a world of their own; its seed alone plays them again.

    Attributes:
        shortest: whether the shortest history is looked for that shows what is wrong: minutes.
    """

    histories: int
    seed: int
    database: str
    shortest: bool

    @property
    def again(self) -> str:
        """The command that plays just these."""
        there = f" --database {self.database}" if self.database != "sqlite" else ""
        return f"./dev chaos --histories {self.histories} --seed {self.seed}{there}"


def parts_of(histories: int, seed: int, database: str) -> list[Part]:
    """Divide the work: every part has the next seed."""
    sizes = [min(_TOGETHER, histories - done) for done in range(0, histories, _TOGETHER)]
    alone = len(sizes) == 1
    return [Part(size, seed + number, database, alone) for number, size in enumerate(sizes)]


def run(part: Part) -> tuple[Part, Counter[str], str]:
    """Play a part; return what was met on the way, and what was wrong, '' for nothing."""
    quietly()
    os.setpgrp()  # Ctrl-C is for whoever began us, and they end us; or our Stripe would end first
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.freeze()  # what is loaded by now stays; to look through it costs a tenth of the time
    gc.set_threshold(50_000, 50, 100)
    STEPS.clear()
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), database=part.database, worker=f"chaos{part.seed}")
        try:
            play(world, histories=part.histories, seed=part.seed, shrink=part.shortest)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told with its history
            return part, STEPS, "".join(traceback.format_exception(error, limit=-4))
        except KeyboardInterrupt:
            sys.exit()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            world.close()
    return part, STEPS, ""


def histories(parts: Sequence[Part], *, jobs: int) -> int:
    """Play every part, and tell of each that went wrong how it is played again.

    A part ends with what is wrong in it; what it leaves unplayed is played with the seeds that
    follow, until there is enough to look into.
    """
    began, wrong, stopped = time.monotonic(), 0, False
    wanted, first = sum(part.histories for part in parts), parts[0]
    met: Counter[str] = Counter()
    with get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        try:
            while parts:
                for part, steps, why in pool.imap_unordered(run, parts):
                    met += steps
                    if why:
                        wrong += 1
                        print(f"{why}\n  violated; again with: {part.again}", flush=True)
                    _say_how_far(met, wanted, wrong, time.monotonic() - began)
                left = 0 if first.shortest or wrong >= _ENOUGH else wanted - met["histories"]
                later = parts_of(left, max(part.seed for part in parts) + 1, first.database)
                parts = [replace(part, shortest=False) for part in later]
            pool.close()
            pool.join()
        except KeyboardInterrupt:
            stopped = True
    seen = ", ".join(f"{count} {what}" for what, count in sorted(met.items()))
    print(f"met on the way: {seen}; {time.monotonic() - began:.0f} s on {first.database}")
    counted = f"histories {met['histories']}, steps {met['steps']}, violations {wrong}"
    print(f"{counted}, seed {first.seed}")
    return int(wrong > 0 or stopped)


def _say_how_far(met: Counter[str], wanted: int, wrong: int, seconds: float) -> None:
    done = f"{met['histories']} of {wanted} histories"
    print(f"  {done}, {wrong} violations, {seconds / 60:.0f} min", flush=True)


def play(world: World, *, histories: int, seed: int, shrink: bool = True) -> None:
    """Play histories in a world, and raise what was wrong with the shortest that shows it."""
    Histories.world = world
    shortest = (hypothesis.Phase.shrink,) if shrink else ()
    settings = hypothesis.settings(
        max_examples=histories,
        backend="anew",
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[hypothesis.Phase.generate, *shortest],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(Histories), settings=settings)


def quietly() -> None:
    """Log nothing, and let the SDK ask again at once: what is slow in life is only slow here."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    HTTPClient.INITIAL_DELAY = HTTPClient.MAX_DELAY = 0
    lease.PATIENCE = 0  # whoever holds one here was killed, and gives nothing back by itself
