"""The web application, whole: people's pages, Stripe's door and the two addresses for machines."""

import gc

from fastapi import FastAPI

import webhooks.router
from billing.context import Context, open_context
from billing.settings import load
from billing.web.app import create_app
from emails.preview import previews
from service import health, logs


def build(context: Context) -> FastAPI:
    """Put the application of one process together."""
    app = create_app(context, preview=previews)
    # Stripe and the paper's server follow no redirects: a wrong address is an error at once.
    app.router.redirect_slashes = False
    app.include_router(webhooks.router.build(context))
    # First of all: every route that stands before it is tried for each event of a burst.
    app.router.routes.insert(0, app.router.routes.pop())
    app.include_router(health.build(context))
    return app


def from_environment() -> FastAPI:
    """Build the application of one web process from its environment."""
    settings = load()
    logs.configure(settings.log_format)
    app = build(open_context(settings))
    # What is loaded now is never let go: to look through it for what might be would hold up
    # everybody, every few seconds, for a tenth of one.
    gc.collect()
    gc.freeze()
    return app
