"""The HTTP side: which address leads where. Work is done in threads, one at a time by the lock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.kernel.dispatch import Dispatcher
from sandbox.kernel.world import World

_VERBS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


class Connection(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, where an answer may also close the connection."""

    def on_headers_complete(self) -> None:
        """Hand the means to the application."""
        self.scope["extensions"] = {"connection": {"close": self.transport.close}}
        super().on_headers_complete()


def create_app(world: World, pages: list[BaseRoute]) -> Starlette:
    """Return the application: the API, and the pages beside it."""
    dispatcher = Dispatcher(world)

    async def api(request: Request) -> Response:
        return await run_in_threadpool(dispatcher.answer, request, await request.body())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        world.deliveries.start()
        ticking = asyncio.create_task(_tick(world))
        yield
        ticking.cancel()

    return Starlette(routes=[*pages, Route("/{path:path}", api, methods=_VERBS)], lifespan=lifespan)


async def _tick(world: World) -> None:
    """Do what becomes due as real time passes, with nobody asking."""
    while True:
        await asyncio.sleep(1)
        await run_in_threadpool(world.run_due)
