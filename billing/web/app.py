"""The pages and the paywall check, put together: every door people and the paper come through."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from billing.context import Context
from billing.web import (
    account,
    checkout,
    errors,
    give,
    legal,
    office,
    office_payouts,
    office_readers,
    office_stripe,
    office_wall,
    paper,
    paywall_keys,
    paywall_openapi,
    render,
    security,
    sign_in,
    support,
)

_ROOMS: Final = (
    support,
    checkout,
    account,
    give,
    legal,
    sign_in,
    office,
    office_payouts,
    office_readers,
    office_stripe,
    office_wall,
    paper,
    paywall_keys,
)
_MOST_BYTES: Final = 1024 * 1024
_A_YEAR: Final = 365 * 24 * 3600

Preview = Callable[..., Any]


class _Static(StaticFiles):
    """Our own files: their addresses change with their content, so they may be kept for ever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
        return response


def create_app(context: Context, *, preview: Preview | None = None) -> FastAPI:
    """Build the web application of one process.

    Args:
        context: the process's hold on the world.
        preview: draws sample mails for the office; the mail room is beyond our walls.
    """
    app = FastAPI(
        title="Morning Star reader revenue",
        docs_url=None,
        redoc_url=None,
        max_body_size=_MOST_BYTES,
        form_limits={"max_fields": 40, "max_files": 0, "max_part_size": 16 * 1024},
    )
    app.state.context = context
    app.state.preview = preview
    security.protect(app, context.settings, refuse=errors.forged)
    errors.handle(app)
    for room in _ROOMS:
        app.include_router(room.router)
    paywall_openapi.describe(app)
    app.mount("/static", _Static(directory=render.STATIC), name="static")
    return app
