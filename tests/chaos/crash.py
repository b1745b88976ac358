"""The product, ended by a real `kill -9` at one point after another of what it does.

Each life is a process of its own, forked from this one and killed by the kernel. Another process
then finds what the first has left, works it off without any help from Stripe's webhooks, and must
arrive where nobody was killed. A scene is short, so that each death costs little: a process dies
at every point once, in the scene that comes by it first.
"""

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from billing.reconciliation import rounds, verify
from tests.chaos import points
from tests.chaos.scenes.all import SCENES
from tests.chaos.scenes.scene import Scene
from tests.chaos.world import World

Act = Callable[[World], None]
_A_LINE_EACH = 10  # deaths


def _quiet(_line: str) -> None:
    """Say nothing."""


@dataclass
class Crashes:
    """What became of the lives.

    Attributes:
        known: every point the source has.
        hit: those at which a process was killed and another made good of it.
        wrong: what was not made good, by point.
    """

    known: set[str]
    hit: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every point was hit, and nothing was wrong."""
        return self.known <= set(self.hit) and not self.wrong

    def summary(self) -> str:
        """Say how many of the points were hit, and which were not."""
        hit = self.known & set(self.hit)
        share = 100 * len(hit) // len(self.known)
        beyond = len(set(self.hit) - self.known)
        lines = [f"  not reached: {name}" for name in sorted(self.known - set(self.hit))]
        lines += [f"  wrong: {name}: {why}" for name, why in sorted(self.wrong.items())]
        counted = f"crash points hit {len(hit)} of {len(self.known)} ({share} %)"
        return "\n".join(
            [*lines, f"{counted}, {beyond} more met on the way, {len(self.wrong)} wrong"]
        )


def crash_everywhere(
    world: World,
    *,
    scenes: Sequence[Scene] = SCENES,
    choose: Callable[[list[str]], list[str]] = sorted,
    say: Callable[[str], None] = _quiet,
) -> Crashes:
    """Kill a life at every point the scenes come by; `choose` may leave some out."""
    found = Crashes(points.written_down())
    soonest = where_to_die(world, scenes)
    chosen = choose(sorted(soonest))
    for number, name in enumerate(sorted(chosen, key=lambda each: soonest[each].name), start=1):
        if why := die_at(world, soonest[name], name):
            found.wrong[name] = why
        found.hit[name] += 1
        if number % _A_LINE_EACH == 0 or why:
            say(f"  {number} of {len(chosen)} killed, {len(found.wrong)} wrong: {why or name}")
    return found


def where_to_die(world: World, scenes: Sequence[Scene] = SCENES) -> dict[str, Scene]:
    """Play every scene to its end, and return for each point the one that comes by it soonest."""
    soonest: dict[str, tuple[float, Scene]] = {}
    for scene in scenes:
        for name, seconds in play(world, scene).items():
            if name not in soonest or seconds < soonest[name][0]:
                soonest[name] = (seconds, scene)
    return {name: scene for name, (_, scene) in soonest.items()}


def play(world: World, scene: Scene) -> dict[str, float]:
    """Play a scene that nobody cuts off; return when it first came by each point, in seconds."""
    reached: dict[str, float] = {}
    began = time.monotonic()

    def come_by(name: str) -> None:
        reached.setdefault(name, time.monotonic() - began)

    world.begin(closed=True)
    with tempfile.NamedTemporaryFile("r") as told:
        lines = Path(told.name)
        why = _in_a_process(
            world,
            lambda world: _live(world, scene, come_by),
            after=lambda: lines.write_text(
                "\n".join(f"{seconds} {name}" for name, seconds in reached.items())
            ),
        )
        assert not why, (scene.name, why)
        told_of = (line.split(" ", 1) for line in told.read().splitlines())
        found = {name: float(seconds) for seconds, name in told_of}
    why = _in_a_process(world, scene.end)
    assert not why, (scene.name, "played to its end", why)
    return found


def die_at(world: World, scene: Scene, point: str) -> str:
    """Have a process killed at a point of a scene, and another take over; say what is wrong."""

    def come_by(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    world.begin(closed=True)
    why = _in_a_process(world, lambda world: _live(world, scene, come_by))
    if why != f"killed by signal {signal.SIGKILL.value}":
        return f"not killed in {scene.name}: {why}"
    why = _in_a_process(world, lambda world: _take_over(world, scene))
    return why and f"in {scene.name}: {why}"


def _live(world: World, scene: Scene, come_by: points.Reached) -> None:
    scene.before(world)
    with points.watched(come_by):
        scene.play(world)


def _take_over(world: World, scene: Scene) -> None:
    scene.again(world)
    scene.end(world)


def _in_a_process(world: World, work: Act, *, after: Callable[[], Any] = lambda: None) -> str:
    """Fork, do the work there, and return what was wrong; '' for nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            _let_nobody_wait()
            with world.opened():
                work(world)
            after()
        except BaseException as error:  # noqa: BLE001  # told to the parent
            os.write(write, f"{type(error).__name__}: {error}"[:4000].encode() or b"?")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said


def _let_nobody_wait() -> None:
    """Have a round read again at once what seems to differ: nothing is on its way here."""
    put: Any = setattr
    for room in (rounds, verify):
        put(room, "PATIENCE", 0.0)
