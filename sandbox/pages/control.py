"""The control API, `/_sandbox/…`: what no real Stripe has. Loopback only, so it asks for no key.

Every call answers with the state afterwards, as JSON; a form is sent back to the console.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.kernel.deliveries import MODES
from sandbox.kernel.faults import FAULTS, Fault
from sandbox.kernel.world import World
from sandbox.pages.render import Given, given

_DAY = 24 * 3600
_YES = {True, "true", "1", "on", "yes"}


def routes(world: World) -> list[Route]:
    """Return the addresses of the control API."""
    show = Route("/_sandbox/state", lambda _: JSONResponse(state(world)))
    return [show] + [
        Route(f"/_sandbox/{path}", _door(world, lever), methods=["POST"])
        for path, lever in LEVERS.items()
    ]


def state(world: World) -> Given:
    """Tell the time, what is being delivered and how many objects there are."""
    with world.lock:
        return {
            "now": world.now,
            "offset": world.clock.offset,
            "deliveries": world.deliveries.summary(),
            "counts": world.store.counts(),
            "settings": {"settle_seconds": world.store.setting("settle_seconds", 0)},
        }


def advance(world: World, given: Given) -> None:
    """Move time forward: by `seconds` or `days`, or `to` a moment."""
    seconds = int(given.get("seconds", 0)) + int(given.get("days", 0)) * _DAY
    if "to" in given:
        with world.lock:
            seconds += int(given["to"]) - world.now
    if seconds < 0:
        raise ValueError("The clock moves only forward.")
    world.advance(seconds)


def set_mode(world: World, given: Given) -> None:
    """Choose how events are delivered from now on."""
    if given["mode"] not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}")
    world.deliveries.set_mode(given["mode"])


def fail_next(world: World, given: Given) -> None:
    """Let the next fitting API calls fail, as `kind` says; status 0 is the older word for slow."""
    status = int(given.get("status", 500))
    kind = given.get("kind") or ("error" if status else "slow")
    if kind not in FAULTS:
        raise ValueError(f"kind is one of {', '.join(FAULTS)}")
    fault = Fault(
        kind=kind,
        method=str(given.get("method", "")).upper(),
        path_prefix=str(given.get("path_prefix", "/v1/")),
        status=status,
        after_effect=given.get("after_effect") in _YES,
        times=int(given.get("times", 1)),
        delay=float(given.get("delay", 0)),
    )
    with world.lock:
        world.faults.append(fault)


def set_settings(world: World, given: Given) -> None:
    """Change how the account behaves: `settle_seconds` until a charge has its fee."""
    with world.lock:
        world.store.set_setting("settle_seconds", int(given["settle_seconds"]))


LEVERS: Final[dict[str, Callable[[World, Given], None]]] = {
    "advance": advance,
    "deliveries": set_mode,
    "deliveries/release": lambda world, _: world.deliveries.release(),
    "deliveries/wait": lambda world, given: world.deliveries.wait(float(given.get("timeout", 10))),
    "events/{id}/resend": lambda world, given: world.deliveries.resend(given["id"]),
    "fail_next": fail_next,
    "reset": lambda world, given: world.reset(keep_endpoints=given.get("keep_endpoints") in _YES),
    "settings": set_settings,
}


def _door(
    world: World, lever: Callable[[World, Given], None]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            await run_in_threadpool(lever, world, await given(request))
        except (KeyError, TypeError, ValueError) as problem:
            return JSONResponse({"error": f"{type(problem).__name__}: {problem}"}, 400)
        if "form" in request.headers.get("content-type", ""):
            return RedirectResponse("/", 303)
        return JSONResponse(await run_in_threadpool(state, world))

    return endpoint
