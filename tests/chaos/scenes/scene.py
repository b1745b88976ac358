"""A scene: something short that the product does, and what is done about it if it is cut off."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.scenes import parts
from tests.chaos.scenes.ends import as_if_nobody_had_been_killed
from tests.chaos.world import World

Act = Callable[[World], None]


def _nothing(_world: World) -> None:
    """Do nothing: nobody is there."""


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        play: what is done; the process may be killed at each point it comes by.
        before: what has been there for long, and is never cut off.
        again: what a person does who saw their command die; where a process of ours died nobody
            does anything.
        end: works off what was left, and says whether it is as if nobody had been killed.
        often: whether a process dies here at every point, wherever else one died there already.
    """

    play: Act
    before: Act = parts.an_open_paper
    again: Act = _nothing
    end: Act = as_if_nobody_had_been_killed
    often: bool = False

    @property
    def name(self) -> str:
        """Return what it is about."""
        return self.play.__name__
