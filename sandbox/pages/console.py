"""The console at `/`: time, the network, money, events; its forms go to the control API."""

from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.engine.dispute import NEXT
from sandbox.kernel.deliveries import MODES
from sandbox.kernel.faults import FAULTS
from sandbox.kernel.versions import OLDER
from sandbox.kernel.world import Doc, World
from sandbox.pages.control import SETTINGS, state
from sandbox.pages.render import page

_SHOWN = 60
_EACH = 8
_LEVERS: Final[dict[str, tuple[tuple[str, str, dict[str, str]], ...]]] = {
    "charge": (
        ("dispute", "disputes/open", {"charge": "{id}"}),
        ("inquire", "disputes/open", {"charge": "{id}", "status": "warning_needs_response"}),
        ("warn", "charges/{id}/warn", {}),
        ("review", "charges/{id}/review", {}),
    ),
    "refund": (("fail", "refunds/{id}/fail", {}), ("cancel", "refunds/{id}/cancel", {})),
    "dispute": (),
    "payout": (("fail", "payouts/{id}/fail", {}),),
}


def routes(world: World) -> list[Route]:
    """Return the console's address."""

    def show(request: Request) -> Response:
        with world.lock:
            values = {
                "endpoints": world.store.find("webhook_endpoint"),
                "events": [_event(world, each) for each in world.store.find("event", limit=_SHOWN)],
                "money": [
                    _movable(each)
                    for name in _LEVERS
                    for each in world.store.find(name, limit=_EACH)
                ],
                "now": _when(world.now),
                "state": state(world),
                "told": dict(request.query_params),
            }
        lists = {"faults": FAULTS, "modes": MODES, "settings": SETTINGS, "versions": OLDER}
        return page("console.html", 200, **values, **lists)

    return [Route("/", show)]


def _movable(doc: Doc) -> dict[str, Any]:
    """Return one row of money, with the levers that move it: label, path and what else is sent."""
    levers = [*_LEVERS[doc["object"]]]
    if doc["object"] == "dispute":
        following = sorted(NEXT.get(doc["status"], ()))
        levers += [(each, "disputes/{id}/become", {"status": each}) for each in following]
    acts = [
        (label, path.format(**doc), {name: value.format(**doc) for name, value in sent.items()})
        for label, path, sent in levers
    ]
    shown = {name: doc[name] for name in ("id", "object", "status", "amount", "currency")}
    return shown | {"acts": acts}


def _event(world: World, event: Doc) -> dict[str, Any]:
    return {
        "id": event["id"],
        "type": event["type"],
        "object": event["data"]["object"].get("id", ""),  # the balance and a preview have none
        "when": _when(event["created"]),
        "deliveries": world.deliveries.of(event["id"]),
    }


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%a %d %b %Y, %H:%M:%S UTC")
