"""The paper put together: newsroom, postroom, the SMTP door and what surrounds them."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from demo import articles, smtp
from demo.check import PaywallCheck
from demo.headers import SecurityHeaders
from demo.mailbox import Mailbox
from demo.newsroom import Newsroom
from demo.postroom import Postroom
from demo.press import Press


def build(*, billing: str, data: Path, smtp_door: socket.socket) -> ASGIApp:
    """Return the paper, which asks at `billing` and keeps its mail under `data`."""
    edition = articles.load()
    check = PaywallCheck(billing)
    press = Press(edition, check.links)
    mailbox = Mailbox(data / "mailbox")

    async def healthz(_request: Request) -> JSONResponse:
        port = smtp_door.getsockname()[1]
        return JSONResponse({"status": "ok", "articles": len(edition.articles), "smtp_port": port})

    async def refused(_request: Request, problem: Exception) -> Response:
        status = problem.status_code if isinstance(problem, HTTPException) else 500
        words = press.page("error.html", limit=check.limit, status=status)
        return HTMLResponse(words, status_code=status)

    app = Starlette(
        routes=[
            *Newsroom(edition, press, check).routes(),
            *Postroom(mailbox, press, check).routes(),
            Route("/healthz", healthz),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[
            # The mailbox holds sign-in links. A foreign name that resolves to this machine (DNS
            # rebinding) would let any web page read them.
            Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"]),
        ],
        exception_handlers={HTTPException: refused, 500: refused},
        lifespan=_lifespan(check, mailbox, smtp_door),
    )
    return SecurityHeaders(app)  # outermost, so that an error page has them too


def _lifespan(
    check: PaywallCheck, mailbox: Mailbox, smtp_door: socket.socket
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        catcher = await smtp.listen(mailbox, smtp_door)
        try:
            yield
        finally:
            catcher.close()
            await check.close()

    return lifespan
