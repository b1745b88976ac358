"""A piece of work in a process of its own, which may die without this one."""

import os
from collections.abc import Callable
from typing import Any

from tests.chaos.world import World


def in_a_process(
    world: World, work: Callable[[World], None], *, after: Callable[[], Any] = lambda: None
) -> str:
    """Fork, open the world there, and do the work; return what was wrong, '' for nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
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
