"""The HTTP side: which address leads where. Work is done in threads, one at a time by the lock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.kernel.dispatch import Dispatcher, Request
from sandbox.kernel.faults import Faults
from sandbox.kernel.world import World


def create_app(world: World, faults: Faults, pages: list[BaseRoute]) -> Starlette:
    """Return the application: the API, and the pages beside it."""
    dispatcher = Dispatcher(world, faults)

    async def api(http: HttpRequest) -> Response:
        request = Request(
            method=http.method,
            path=http.url.path,
            query=http.url.query,
            body=await http.body(),
            headers={name.lower(): value for name, value in http.headers.items()},
        )
        answer = await run_in_threadpool(dispatcher.answer, request)
        return Response(answer.body, answer.status, answer.headers, "application/json")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        world.deliveries.start()
        ticking = asyncio.create_task(_tick(world))
        yield
        ticking.cancel()

    methods = ["GET", "POST", "DELETE", "PUT", "PATCH"]
    routes = [*pages, Route("/{path:path}", api, methods=methods)]
    return Starlette(routes=routes, lifespan=lifespan)


async def _tick(world: World) -> None:
    """Do what becomes due as real time passes, with nobody asking."""
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(1)
            await run_in_threadpool(world.run_due)
