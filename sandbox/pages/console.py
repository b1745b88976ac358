"""The console at `/`: time, deliveries, the newest events; its forms go to the control API."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.deliveries import MODES
from sandbox.kernel.faults import FAULTS
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World
from sandbox.pages.control import state
from sandbox.pages.render import page

_SHOWN = 60


def routes(world: World) -> list[Route]:
    """Return the console's address."""

    def show(_: Request) -> Response:
        with world.lock:
            rows = [_row(world, event) for event in world.store.find("event", limit=_SHOWN)]
            endpoints = world.store.find("webhook_endpoint")
            now, shown = _when(world.now), state(world)
        values = {"state": shown, "now": now, "modes": MODES, "rows": rows, "endpoints": endpoints}
        return page("console.html", 200, faults=FAULTS, **values)

    return [Route("/", show)]


def _row(world: World, event: Doc) -> dict[str, Any]:
    return {
        "id": event["id"],
        "type": event["type"],
        "object": event["data"]["object"].get("id", ""),  # the balance and a preview have none
        "when": _when(event["created"]),
        "deliveries": world.deliveries.of(event["id"]),
    }


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%a %d %b %Y, %H:%M:%S UTC")
