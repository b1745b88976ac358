"""The product, ended by a real `kill -9` at one point after another of what it does.

Each life is a process of its own, forked from this one and killed by the kernel. Another process
then finds what the first has left, works it off without any help from Stripe's webhooks, and must
arrive where nobody was killed. A scene is short, so that each death costs little: a process dies
at every point once, in the scene that comes by it soonest, and at each point of a few scenes.
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
from tests.chaos.forked import in_a_process
from tests.chaos.scenes.all import SCENES
from tests.chaos.scenes.scene import Scene
from tests.chaos.world import World

Act = Callable[[World], None]
_A_LINE_EACH = 10  # deaths
_KILLED = f"killed by signal {signal.SIGKILL.value}"


@dataclass(frozen=True)
class Death:
    """Where a process is killed, and what it was doing."""

    scene: Scene
    point: str


@dataclass
class Crashes:
    """What became of the lives.

    Attributes:
        known: every point the source has.
        hit: how often a process was killed at each.
        wrong: what another process did not make good, by point and scene.
    """

    known: set[str]
    hit: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every point was hit, and nothing was wrong."""
        return all(self.hit[name] for name in self.known) and not self.wrong

    def summary(self) -> str:
        """Say how many of the points were hit, and which were not."""
        hit = {name for name, times in self.hit.items() if times}
        share = 100 * len(hit & self.known) // len(self.known)
        lines = [f"  not reached: {name}" for name in sorted(self.known - hit)]
        lines += [f"  not known from the source: {name}" for name in sorted(hit - self.known)]
        lines += [f"  wrong: {name}: {why}" for name, why in sorted(self.wrong.items())]
        counted = f"crash points hit {len(hit & self.known)} of {len(self.known)} ({share} %)"
        killed = f"{self.hit.total()} processes killed, {len(self.wrong)} wrong"
        return "\n".join([*lines, f"{counted}, {killed}"])


def crash_everywhere(
    world: World,
    *,
    scenes: Sequence[Scene] = SCENES,
    chosen: Callable[[str], bool] = lambda _point: True,
    say: Callable[[str], None] = lambda _line: None,
) -> Crashes:
    """Kill a life at every point the scenes come by; `chosen` may leave some out."""
    found = Crashes(points.written_down())
    deaths = [death for death in where_to_die(world, scenes) if chosen(death.point)]
    for number, death in enumerate(deaths, start=1):
        killed, why = die(world, death)
        found.hit[death.point] += killed
        if why:
            found.wrong[f"{death.point} in {death.scene.name}"] = why
            say(f"  wrong: {death.point} in {death.scene.name}: {why}")
        if number % _A_LINE_EACH == 0:
            say(f"  {number} of {len(deaths)} killed, {len(found.wrong)} wrong: {death.scene.name}")
    return found


def where_to_die(world: World, scenes: Sequence[Scene] = SCENES) -> list[Death]:
    """Play every scene to its end, and choose for each point the one that comes by it soonest."""
    soonest: dict[str, tuple[float, Death]] = {}
    deaths: set[Death] = set()
    for scene in scenes:
        for point, seconds in play(world, scene).items():
            death = Death(scene, point)
            if scene.often:
                deaths.add(death)
            if point not in soonest or seconds < soonest[point][0]:
                soonest[point] = (seconds, death)
    deaths |= {death for _, death in soonest.values()}
    return sorted(deaths, key=lambda death: (death.scene.name, death.point))


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


def die(world: World, death: Death) -> tuple[bool, str]:
    """Have a process die and another take over; tell whether it was killed, and what is wrong."""

    def come_by(name: str) -> None:
        if name == death.point:
            os.kill(os.getpid(), signal.SIGKILL)

    def take_over(world: World) -> None:
        death.scene.again(world)
        death.scene.end(world)

    world.begin(closed=True)
    why = _in_a_process(world, lambda world: _live(world, death.scene, come_by))
    if why != _KILLED:
        return False, f"not killed: {why}"
    return True, _in_a_process(world, take_over)


def _live(world: World, scene: Scene, come_by: points.Reached) -> None:
    scene.before(world)
    with points.watched(come_by):
        scene.play(world)


def _in_a_process(world: World, work: Act, *, after: Callable[[], Any] = lambda: None) -> str:
    """Do the work in a process of its own; return what was wrong, '' for nothing."""

    def at_once(world: World) -> None:
        _let_nobody_wait()
        work(world)

    return in_a_process(world, at_once, after=after)


def _let_nobody_wait() -> None:
    """Have a round read again at once what seems to differ: nothing is on its way here."""
    put: Any = setattr
    for room in (rounds, verify):
        put(room, "PATIENCE", 0.0)
