"""Wait for what happens elsewhere, and say what did not."""

import time
from collections.abc import Callable


def until(happened: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Return as soon as something is so; fail where it never is."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
