"""Test clocks, as the API makes, moves and deletes them.

Source: https://docs.stripe.com/api/test_clocks
"""

from typing import Final

from sandbox.engine.periods import after
from sandbox.engine.subscription import ENDED, end, items_of
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.test_clock import NAME, advance

_PATH: Final = "/v1/test_helpers/test_clocks"
_KEPT_SECONDS: Final = 30 * 24 * 3600


@operation("POST", _PATH, "frozen_time name")
def create_clock(world: World, call: Call) -> Doc:
    """Create a clock that stands still; customers are put on it when they are made."""
    times = {"deletes_after": world.now + _KEPT_SECONDS, "frozen_time": call.params["frozen_time"]}
    fields = call.picked("name") | times | {"status": "ready"}
    return world.create(NAME, fields, event=f"{NAME}.created")


@operation("POST", f"{_PATH}/{{test_clock}}/advance", "frozen_time")
def advance_clock(world: World, call: Call) -> Doc:
    """Move a clock forward, by two periods of its shortest subscription at most, else two years."""
    clock, to = world.get(NAME, call.id), call.params["frozen_time"]
    if clock["status"] != "ready":
        raise invalid("Test clock advancement underway: wait until it is ready.")
    rhythms = [
        item["price"]["recurring"]
        for subscription in world.store.find("subscription", {"test_clock": clock["id"]})
        if subscription["status"] not in ENDED
        for item in items_of(subscription)
    ]
    spans = [(each["interval"], 2 * each["interval_count"]) for each in rhythms] or [("year", 2)]
    furthest = min(after(clock["frozen_time"], *span) for span in spans)
    if not clock["frozen_time"] < to <= furthest:
        message = f"frozen_time must be after {clock['frozen_time']} and at most {furthest}."
        raise invalid(message, param="frozen_time")
    return advance(world, clock, to)


@operation("DELETE", f"{_PATH}/{{test_clock}}")
def delete_clock(world: World, call: Call) -> Doc:
    """Delete a clock and the customers who live by it.

    Source: https://docs.stripe.com/api/test_clocks/delete
    """
    clock = world.get(NAME, call.id)
    on_it = {"test_clock": clock["id"]}
    for subscription in world.store.find("subscription", on_it):
        if subscription["status"] not in ENDED:
            end(world, subscription, reason=None)
    for customer in world.store.find("customer", on_it):
        world.delete(customer, event="customer.deleted")
    world.store.db.execute("DELETE FROM job WHERE clock = ?", (clock["id"],))
    return world.delete(clock, event=f"{NAME}.deleted")
