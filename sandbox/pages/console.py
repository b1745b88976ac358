"""The console at `/`: move time, watch events, and make the network misbehave, by plain forms."""

import json
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.kernel.deliveries import MODES
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World
from sandbox.pages.control import Control, given
from sandbox.pages.render import page

_SHOWN = 60


class Console:
    """The control API with a face."""

    def __init__(self, world: World, control: Control) -> None:
        """Show this world and pull these levers."""
        self.world = world
        self._actions = {
            "advance": control.advance,
            "mode": control.set_mode,
            "release": control.release,
            "resend": control.resend,
            "fail": control.fail_next,
            "settings": control.set_settings,
        }
        self._state = control.state

    def routes(self) -> list[Route]:
        """Return the console's addresses."""
        return [
            Route("/", self._show, methods=["GET"]),
            Route("/console/object/{id}", self._show_object, methods=["GET"]),
            Route("/console/{action}", self._act, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        del request
        return await run_in_threadpool(self.show)

    async def _show_object(self, request: Request) -> Response:
        return await run_in_threadpool(self.show_object, request.path_params["id"])

    async def _act(self, request: Request) -> Response:
        fields = await given(request)
        action = self._actions.get(fields.pop("action"))
        if action is None:
            return page("closed.html", 404, heading="No such action", text="")
        try:
            await run_in_threadpool(action, fields)
        except (KeyError, ValueError) as problem:
            return page("closed.html", 400, heading="That did not work", text=str(problem))
        return RedirectResponse("/", 303)

    def show(self) -> Response:
        """Show the time, the levers and the newest events."""
        with self.world.lock:
            state = self._state()
            events = self.world.store.find("event", limit=_SHOWN)
            deliveries = self.world.deliveries.of_events([event["id"] for event in events])
            endpoints = self.world.store.find("webhook_endpoint")
        rows = [_row(event, deliveries.get(event["id"], [])) for event in events]
        return page(
            "console.html",
            state=state,
            now=_when(state["now"]),
            modes=MODES,
            rows=rows,
            endpoints=endpoints,
        )

    def show_object(self, ident: str) -> Response:
        """Show one object as the API would."""
        with self.world.lock:
            doc = self.world.store.get(ident)
        if doc is None:
            return page("closed.html", 404, heading="No such object", text=ident)
        return page("object.html", heading=ident, text=json.dumps(doc, indent=2))


def _row(event: Doc, deliveries: list[dict[str, Any]]) -> dict[str, Any]:
    about: Doc = event["data"]["object"]
    return {
        "id": event["id"],
        "type": event["type"],
        "object": about["id"],
        "when": _when(event["created"]),
        "deliveries": deliveries,
    }


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%a %d %b %Y, %H:%M:%S UTC")
