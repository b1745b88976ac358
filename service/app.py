"""The web application, whole: people's pages, Stripe's door and the two addresses for machines."""

import asyncio
import gc
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI
from starlette.types import Receive, Scope, Send

from billing.context import Context, open_context
from billing.db import CONNECTIONS
from billing.settings import load
from billing.web.app import create_app
from billing.web.paywall import PREFIX, Paywall
from emails.preview import previews
from service import health, logs
from webhooks import router


@dataclass(frozen=True, slots=True)
class Application:
    """Stripe's door and the wall beside the pages.

    What protects people on their way to a page costs more than accepting an event or answering at
    the wall, and protects neither: so both are reached straight away.

    Attributes:
        room: for as many pages at once as there are connections. More would each hold one while it
            waits for a thread, and each thread wait for one: nobody would move. Whether we are
            alive is answered past it.
    """

    pages: FastAPI
    door: router.Door
    wall: Paywall
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes; the door's other methods, and its beginning and end, are a page's."""
        if scope["type"] != "http":
            await self.pages(scope, receive, send)
        elif scope["path"].startswith(PREFIX):
            await self.wall(scope, receive, send)
        elif scope["path"] == router.PATH and scope["method"] == "POST":
            await self.door(scope, receive, send)
        elif scope["path"] in health.PATHS:
            await self.pages(scope, receive, send)
        else:
            async with self.room:
                await self.pages(scope, receive, send)


def build(context: Context) -> Application:
    """Put the application of one process together."""
    pages = create_app(context, preview=previews)
    # Stripe and the paper's server follow no redirects: a wrong address is an error at once.
    pages.router.redirect_slashes = False
    door, wall = router.Door(context), Paywall(context)
    pages.include_router(router.build(door))
    pages.include_router(health.build(context))
    pages.include_router(APIRouter(lifespan=wall.until_the_end))
    return Application(pages, door, wall)


def from_environment() -> Application:
    """Build the application of one web process from its environment."""
    settings = load()
    logs.configure(settings.log_format)
    app = build(open_context(settings))
    # What is loaded now is never let go: to look through it for what might be would hold up
    # everybody, every few seconds, for a tenth of one.
    gc.collect()
    gc.freeze()
    return app
