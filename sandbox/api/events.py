"""Events, as the API lists them for thirty days.

Source: https://docs.stripe.com/api/events
"""

from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_KEPT_SECONDS = 30 * 24 * 3600


@operation("GET", "/v1/events", f"type types {PAGING}")
def list_events(world: World, call: Call) -> Doc:
    """List events of the last thirty days, by type or group of types (`invoice.*`)."""
    if {"type", "types"} <= call.params.keys():
        raise invalid("You may not pass both type and types.", param="types")
    types = call.params.get("types") or [call.params.get("type", "*")]
    wanted = " OR ".join(["json_extract(doc, '$.type') GLOB ?"] * len(types))
    condition = f"json_extract(doc, '$.created') >= ? AND ({wanted})"
    return page(world, call, "event", and_=(condition, world.now - _KEPT_SECONDS, *types))
