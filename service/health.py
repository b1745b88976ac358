"""Two addresses for machines: is this process alive, and may readers be sent to it.

A worker that is late is told but does not make a web process unready: readers can still read, and
taking every page away would not bring the mail out.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from billing.context import Context
from billing.migrations import run as migrations
from billing.models import Heartbeat

LATE: Final = timedelta(seconds=60)

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
PATHS: Final = frozenset({ALIVE, READY})


def build(context: Context) -> APIRouter:
    """Return the routes of both addresses."""
    router = APIRouter(include_in_schema=False)

    # `async`: needs no thread, for they may all be busy while the process is well.
    @router.get(ALIVE)
    async def healthz() -> JSONResponse:
        return _answer({"status": "ok"}, ready=True)

    @router.get(READY)
    def readyz() -> JSONResponse:
        ready, found = look(context)
        return _answer(found, ready=ready)

    return router


def look(context: Context) -> tuple[bool, dict[str, Any]]:
    """Return whether readers may be sent here, and what was found in detail."""
    needed = migrations.head()
    try:
        with context.db.reading() as session:
            version = migrations.current(context.db)
            worker = _worker(session) if version == needed else "unknown"
    except SQLAlchemyError:
        return False, {"database": "unreachable", "migrations": "unknown", "worker": "unknown"}
    same = version == needed
    return same, {
        "database": "ok",
        "migrations": "ok" if same else "different",
        "worker": worker,
    }


def _worker(session: Session) -> str:
    last = session.scalar(sa.select(sa.func.max(Heartbeat.at)))
    if last is None:
        return "never seen"
    # The machine's time, as the worker wrote it: the program's own clock may be moved.
    return "ok" if datetime.now(UTC) - last < LATE else "late"


def _answer(found: dict[str, Any], *, ready: bool) -> JSONResponse:
    return JSONResponse(found, 200 if ready else 503, {"Cache-Control": "no-store"})
