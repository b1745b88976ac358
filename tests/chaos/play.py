"""Playing as many histories as one likes, on every processor there is."""

import gc
import logging
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import hypothesis
import structlog
from hypothesis.stateful import run_state_machine_as_test
from stripe import HTTPClient

from tests.chaos.machine import STEPS, Histories
from tests.chaos.world import World

_STEPS = 12  # at most, in one history
_TOGETHER = 200  # histories in one world


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
    gc.freeze()  # what is loaded by now stays; to look through it costs a tenth of the time
    gc.set_threshold(50_000, 50, 100)
    STEPS.clear()
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), database=part.database, worker=f"chaos{part.seed}")
        try:
            play(world, histories=part.histories, seed=part.seed, shrink=part.shortest)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told with its history
            return part, STEPS, "".join(traceback.format_exception(error, limit=-4))
        finally:
            world.close()
    return part, STEPS, ""


def histories(parts: Sequence[Part], *, jobs: int) -> int:
    """Play every part, and tell of each that went wrong how it is played again."""
    began, wrong = time.monotonic(), 0
    met: Counter[str] = Counter()
    with get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        for number, (part, steps, why) in enumerate(pool.imap_unordered(run, parts), start=1):
            met += steps
            if why:
                wrong += 1
                print(f"{why}\n  violated; again with: {part.again}", flush=True)
            so_far = f"{met['histories']} histories, {wrong} violations"
            minutes = (time.monotonic() - began) / 60
            print(f"  {number} of {len(parts)} parts: {so_far}, {minutes:.0f} min", flush=True)
    seen = ", ".join(f"{count} {what}" for what, count in sorted(met.items()))
    where = parts[0].database
    print(f"met on the way: {seen}; {time.monotonic() - began:.0f} s on {where}")
    print(
        f"histories {met['histories']}, steps {met['steps']}, violations {wrong},"
        f" seed {parts[0].seed}"
    )
    return int(wrong > 0)


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


def quietly() -> None:
    """Log nothing, and let the SDK ask again at once: what is slow in life is only slow here."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    HTTPClient.INITIAL_DELAY = HTTPClient.MAX_DELAY = 0
