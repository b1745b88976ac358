"""Test clocks: a time of their own for some customers; the account's clock goes on beside them.

Always true: what is done for a customer on a test clock is done at that clock's frozen time, and
what it leads to later waits for that clock alone. Events tell the account's time.

Source: https://docs.stripe.com/billing/testing/test-clocks
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sandbox.kernel.world import JOBS, Doc, World, job

NAME: Final = "test_helpers.test_clock"


@contextmanager
def living(world: World, *idents: Any) -> Iterator[None]:
    """Let it be the time of the test clock that one of these objects lives by, if one does."""
    clock = next(filter(None, (_clock_of(world, each) for each in idents)), None)
    if clock is None:
        yield
    else:
        with world.clock.standing_at(clock["frozen_time"], clock["id"]):
            yield


def advance(world: World, clock: Doc, to: int) -> Doc:
    """Begin to move a clock: at the next look it has done what fell due, and is ready.

    Source: https://docs.stripe.com/api/test_clocks/advance
    """
    details = {"status_details": {"advancing": {"target_frozen_time": to}}}
    with world.clock.standing_at(world.clock.account_now()):
        world.schedule(world.now, "test_clock.advance", clock["id"])
    return world.change(clock, details | {"status": "advancing"}, event=f"{NAME}.advancing")


@job("test_clock.advance")
def _run(world: World, ident: str) -> None:
    """Do what falls due on the way, in order, each at its own moment."""
    clock = world.get(NAME, ident)
    goal = clock["status_details"]["advancing"]["target_frozen_time"]
    while row := world.store.next_job(ident, goal):
        seq, moment, kind, subject = row
        world.store.db.execute("DELETE FROM job WHERE seq = ?", (seq,))
        with world.clock.standing_at(moment, ident):
            JOBS[kind](world, subject)
    fields = {"frozen_time": goal, "status": "ready", "status_details": {"advancing": None}}
    world.change(clock, fields, event=f"{NAME}.ready")


def _clock_of(world: World, ident: Any) -> Doc | None:
    """Return the clock of an object, or of its customer; or the clock that is named itself."""
    doc = world.store.get(ident) if isinstance(ident, str) else None
    for field in ("customer", "test_clock"):
        if doc is not None and field in doc:
            doc = world.store.get(doc[field] or "")
    held = doc is not None and doc["object"] == NAME and not doc.get("deleted")
    return doc if held else None
