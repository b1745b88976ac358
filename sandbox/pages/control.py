"""The control API, `/_sandbox/…`: what no real Stripe has. Loopback only, so it asks for no key.

Every call answers with the state afterwards, as JSON.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.kernel.deliveries import MODES
from sandbox.kernel.faults import Fault, Faults
from sandbox.kernel.world import World

_DAY = 24 * 3600
Given = dict[str, Any]


class Control:
    """The sandbox's own levers, for tests, for the console and for the product's start-up."""

    def __init__(self, world: World, faults: Faults) -> None:
        """Move this world and order these faults."""
        self.world = world
        self.faults = faults

    def routes(self) -> list[Route]:
        """Return the addresses of the control API."""
        posts = {
            "advance": self.advance,
            "deliveries": self.set_mode,
            "deliveries/release": self.release,
            "deliveries/wait": self.wait,
            "events/{id}/resend": self.resend,
            "fail_next": self.fail_next,
            "reset": self.reset,
            "settings": self.set_settings,
        }
        state = Route("/_sandbox/state", _door(self.state), methods=["GET"])
        return [state] + [
            Route(f"/_sandbox/{path}", _door(action), methods=["POST"])
            for path, action in posts.items()
        ]

    def state(self, _: Given | None = None) -> Given:
        """Tell the time, what is being delivered and how many objects there are."""
        world = self.world
        with world.lock:
            return {
                "now": world.now,
                "offset": world.clock.offset,
                "deliveries": world.deliveries.summary(),
                "counts": world.store.counts(),
                "settings": {"settle_seconds": world.store.setting("settle_seconds", 0)},
            }

    def advance(self, given: Given) -> Given:
        """Move time forward: by `seconds` or `days`, or `to` a moment."""
        seconds = int(given.get("seconds", 0)) + int(given.get("days", 0)) * _DAY
        if "to" in given:
            seconds += int(given["to"]) - self.world.now
        if seconds < 0:
            raise ValueError("The clock moves only forward.")
        self.world.advance(seconds)
        return self.state()

    def set_mode(self, given: Given) -> Given:
        """Choose how events are delivered from now on."""
        if given["mode"] not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        self.world.deliveries.set_mode(given["mode"])
        return self.state()

    def release(self, _: Given) -> Given:
        """Send what was held back."""
        return {"released": self.world.deliveries.release()} | self.state()

    def wait(self, given: Given) -> Given:
        """Return when nothing waits to be delivered, or when `timeout` seconds are over."""
        self.world.deliveries.wait(float(given.get("timeout", 10)))
        return self.state()

    def resend(self, given: Given) -> Given:
        """Deliver one event again to every endpoint."""
        return {"endpoints": self.world.deliveries.resend(given["id"])} | self.state()

    def fail_next(self, given: Given) -> Given:
        """Let the next fitting API calls fail."""
        fault = Fault(
            method=str(given.get("method", "")).upper(),
            path_prefix=str(given.get("path_prefix", "/v1/")),
            status=int(given.get("status", 500)),
            after_effect=_truth(given.get("after_effect")),
            remembered=_truth(given.get("remembered")),
            delay=float(given.get("delay", 0)),
            times=int(given.get("times", 1)),
        )
        self.faults.order(fault)
        return self.state()

    def reset(self, given: Given) -> Given:
        """Forget everything; the clock starts anew."""
        self.faults.clear()
        self.world.reset(keep_endpoints=_truth(given.get("keep_endpoints")))
        return self.state()

    def set_settings(self, given: Given) -> Given:
        """Change how the account behaves: `settle_seconds` until a charge has its fee."""
        with self.world.lock:
            self.world.store.set_setting("settle_seconds", int(given["settle_seconds"]))
        return self.state()


async def given(request: Request) -> Given:
    """Read a JSON body or a form, with the id in the path."""
    body = (await request.body()).decode()
    if request.headers.get("content-type", "").startswith("application/json"):
        fields = json.loads(body or "{}")
    else:
        fields = dict(parse_qsl(body))
    return {**fields, **request.path_params}


def _door(action: Callable[[Given], Given]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            fields = await given(request)
            return JSONResponse(await run_in_threadpool(action, fields))
        except (KeyError, TypeError, ValueError) as problem:
            return JSONResponse({"error": f"{type(problem).__name__}: {problem}"}, 400)

    return endpoint


def _truth(value: Any) -> bool:
    return value in {True, "true", "1", "on", "yes"}
