"""The web application, whole: people's pages, Stripe's door and the two addresses for machines."""

import gc
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from billing.context import Context, open_context
from billing.settings import load
from billing.web.app import create_app
from emails.preview import previews
from service import health, logs
from webhooks import router


@dataclass(frozen=True, slots=True)
class Application:
    """Stripe's door beside the pages.

    What protects people on their way to a page costs as much as accepting an event does, and
    protects nobody from a signed one: so an event goes straight to its door.
    """

    pages: FastAPI
    door: router.Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes; the door's other methods, and its beginning and end, are a page's."""
        event = scope["type"] == "http" and scope["path"] == router.PATH
        to = self.door if event and scope["method"] == "POST" else self.pages
        await to(scope, receive, send)


def build(context: Context) -> Application:
    """Put the application of one process together."""
    pages = create_app(context, preview=previews)
    # Stripe and the paper's server follow no redirects: a wrong address is an error at once.
    pages.router.redirect_slashes = False
    door = router.Door(context)
    pages.include_router(router.build(door))
    pages.include_router(health.build(context))
    return Application(pages, door)


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
