"""Every scene there is."""

from typing import Final

from tests.chaos.scenes import by_hand, money, people, watch
from tests.chaos.scenes.scene import Scene

SCENES: Final[tuple[Scene, ...]] = (
    *people.SCENES,
    *money.SCENES,
    *watch.SCENES,
    *by_hand.SCENES,
)
