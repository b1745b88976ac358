"""The door Stripe knocks at: check, store once, commit, answer. Nothing else happens here.

Only bad input is refused; an event of ours that we cannot use is still kept and answered 200, or
Stripe would send it for days and then close the endpoint. Where the database does not answer, 503
leaves the event with Stripe, who sends it again for three days.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from billing import tasks
from billing.clock import accounting_day
from billing.context import Context
from webhooks import event, signature
from webhooks.record import record

PATH: Final = "/webhooks/stripe"
MOST_BYTES: Final = 1024 * 1024
_SLOWEST: Final = 20.0  # seconds a body may take; Stripe's own patience is about as long
_THREADS: Final = 8  # a burst of events must leave threads for readers
_KEPT_HEADERS: Final = ("content-type", "stripe-signature", "user-agent")
_MOST_KEPT: Final = 1000  # characters of one header

_log = structlog.get_logger(__name__)


def build(context: Context) -> APIRouter:
    """Return the endpoint, as a router of one route."""
    router = APIRouter()
    door = _Door(context, secrets=signature.secrets_of(context.settings))
    router.routes.append(Route(PATH, door, methods=["POST"], include_in_schema=False))
    return router


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Stripe is told: a status, and a few words for whoever reads its log of attempts."""

    status: int
    words: str


class _Door:
    """A plain ASGI application: the body is read once, bounded, and never parsed unsigned."""

    def __init__(self, context: Context, *, secrets: Sequence[bytes]) -> None:
        self._context = context
        self._secrets = secrets
        self._threads = anyio.CapacityLimiter(_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        answer = _refuse_by_header(headers)
        if answer is None:
            try:
                with anyio.fail_after(_SLOWEST):
                    body = await _read(receive)
            except TimeoutError:
                answer = _Answer(408, "the body took too long")
            except _GoneError:
                return
            else:
                answer = await self._hear(headers, body)
        await _response(answer)(scope, receive, send)

    async def _hear(self, headers: Headers, body: bytes | None) -> _Answer:
        if body is None:
            return _Answer(413, "the body is too big")
        return await anyio.to_thread.run_sync(
            _hear, self._context, self._secrets, headers, body, limiter=self._threads
        )


class _GoneError(Exception):
    """Whoever was speaking hung up."""


def _refuse_by_header(headers: Headers) -> _Answer | None:
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return _Answer(400, "the body is compressed")
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES):
        return _Answer(413, "the body is too big")
    return None


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or None as soon as it is too big, whatever its length was said to be."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            return None
        more = message.get("more_body", False)
    return bytes(body)


def _hear(context: Context, secrets: Sequence[bytes], headers: Headers, body: bytes) -> _Answer:
    header = b",".join(value for name, value in headers.raw if name == b"stripe-signature")
    try:
        # Real time, not the program's clock: see `signature.check`.
        signature.check(header, body, secrets=secrets, now=time.time())
        said = event.read(body)
    except signature.FromTheFutureError as error:
        _doubt_the_clock(context)
        return _refused(error)
    except (signature.SignatureError, event.MalformedError) as error:
        return _refused(error)
    kept = {name: headers[name][:_MOST_KEPT] for name in _KEPT_HEADERS if name in headers}
    try:
        with context.db.unit_of_work() as session:
            new = record(
                session,
                said,
                body=body,
                headers=kept,
                settings=context.settings,
                now=context.clock.now(),
            )
    except SQLAlchemyError as error:
        _log.error("event not stored", event_id=said.id, error=type(error).__name__)
        return _Answer(503, "try again later")
    _log.info("event received", event_id=said.id, type=said.type, new=new)
    return _Answer(200, "received" if new else "received before")


def _refused(error: Exception) -> _Answer:
    _log.warning("event refused", reason=str(error))
    return _Answer(400, str(error))


def _doubt_the_clock(context: Context) -> None:
    now = context.clock.now()
    _log.error("this machine's clock is behind Stripe's: check it")
    try:
        with context.db.unit_of_work() as session:
            tasks.raise_task(
                session,
                "clock",
                subject=accounting_day(now).isoformat(),
                detail="Stripe signed an event more than five minutes in our future: set the clock"
                " of the web server, or every event will be refused.",
                now=now,
            )
    except SQLAlchemyError:
        _log.error("task not raised", kind="clock")


def _response(answer: _Answer) -> Response:
    refused = {"error": answer.words} if answer.status >= 400 else {"outcome": answer.words}  # noqa: PLR2004
    headers = {"Cache-Control": "no-store"}
    if answer.status in {408, 413}:
        headers["Connection"] = "close"  # whatever is still coming is not worth reading
    if answer.status == 503:  # noqa: PLR2004
        headers["Retry-After"] = "30"
    return Response(json.dumps(refused), answer.status, headers, media_type="application/json")
