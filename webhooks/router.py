"""The door Stripe knocks at: check, store once, commit, answer. Nothing else happens here.

Only bad input is refused; an event of ours that we cannot use is still kept and answered 200, or
Stripe would send it for days and then close the endpoint. Where the database does not answer, 503
leaves the event with Stripe, who sends it again for three days. What was stored is in the table and
is not logged as well; what was not is logged.
"""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from billing import tasks
from billing.clock import accounting_day
from billing.context import Context
from billing.models import Feed
from webhooks import event, signature
from webhooks.record import is_foreign, keep, row_of, subject_in
from webhooks.writer import NotStoredError, Writer

PATH: Final = "/webhooks/stripe"
MOST_BYTES: Final = 1024 * 1024
MOST_IN_HAND: Final = 64 * MOST_BYTES  # bytes of all bodies a process holds at one moment
_PATIENCE: Final = 15.0  # seconds for all of it: no longer than Stripe waits, or a stop may take
_THREADS: Final = 2  # for what is rare; a burst of it must leave threads for readers
_SIGNATURE: Final = b"stripe-signature"
_KEPT: Final = (b"content-type", _SIGNATURE, b"user-agent")
_MOST_KEPT: Final = 1000  # characters of one header

_Headers = dict[bytes, bytes]

_log = structlog.get_logger(__name__)


def build(door: "Door") -> APIRouter:
    """Return a door as a router of one route; what it began ends with the application."""

    @contextlib.asynccontextmanager
    async def open_until_the_end(_app: Any) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(door.writer.close)

    router = APIRouter(lifespan=open_until_the_end)
    router.routes.append(Route(PATH, door, methods=["POST"], include_in_schema=False))
    return router


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Stripe is told: a status, and a few words for whoever reads its log of attempts."""

    status: int
    words: str


_NEW: Final = _Answer(200, "received")
_KNOWN: Final = _Answer(200, "received before")
_TOO_BIG: Final = _Answer(413, "the body is too big")
_SLOW: Final = _Answer(408, "the body took too long")
_LATER: Final = _Answer(503, "try again later")


class Door:
    """A plain ASGI application: the body is read once, bounded, and never parsed unsigned."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._secrets = signature.secrets_of(context.settings)
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._in_hand = 0
        self.writer = Writer(context.db)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one event in, or say why not."""
        headers = _headers(scope)
        body = bytearray()
        answer = _SLOW
        try:
            async with asyncio.timeout(_PATIENCE):
                refused = _refuse_by_header(headers) or await self._read(receive, body)
                answer = _LATER
                answer = refused or await self._hear(headers, bytes(body))
        except TimeoutError:
            _log.error("event not answered in time", status=answer.status)
        except _GoneError:
            return
        finally:
            self._in_hand -= len(body)
        await _say(answer, send)

    async def _read(self, receive: Receive, body: bytearray) -> _Answer | None:
        """Fill in the body; stop as soon as it is too big, whatever its length was said to be."""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            part = message.get("body", b"")
            body += part
            self._in_hand += len(part)
            if len(body) > MOST_BYTES:
                return _TOO_BIG
            if self._in_hand > MOST_IN_HAND:
                return _LATER
            more = message.get("more_body", False)
        return None

    async def _hear(self, headers: _Headers, body: bytes) -> _Answer:
        header = headers.get(_SIGNATURE, b"")
        try:
            # Real time, not the program's clock: see `signature.check`.
            signature.check(header, body, secrets=self._secrets, now=time.time())
            said = event.read(body)
        except signature.FromTheFutureError as error:
            await anyio.to_thread.run_sync(_doubt_the_clock, self._context, limiter=self._threads)
            return _refused(error)
        except (signature.SignatureError, event.MalformedError) as error:
            return _refused(error)
        kept = {
            name.decode(): headers[name][:_MOST_KEPT].decode("latin-1")
            for name in _KEPT
            if name in headers
        }
        try:
            return _NEW if await self._store(said, body, kept) else _KNOWN
        except (NotStoredError, SQLAlchemyError) as error:
            _log.error("event not stored", event_id=said.id, error=type(error).__name__)
            return _LATER

    async def _store(self, said: event.Event, body: bytes, headers: dict[str, str]) -> bool:
        row = row_of(
            said,
            body=body,
            headers=headers,
            feed=Feed.WEBHOOK,
            subject=subject_in(said),
            settings=self._context.settings,
            now=self._context.clock.now(),
        )
        if is_foreign(row):  # rare, and the staff are told in the same commit
            return await anyio.to_thread.run_sync(_keep, self._context, row, limiter=self._threads)
        return await self.writer.store(row)


class _GoneError(Exception):
    """Whoever was speaking hung up."""


def _headers(scope: Scope) -> _Headers:
    """Return the headers; of one that stands several times, all its values with commas between."""
    found: _Headers = {}
    for name, value in scope["headers"]:
        found[name] = found[name] + b"," + value if name in found else value
    return found


def _refuse_by_header(headers: _Headers) -> _Answer | None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        return _Answer(400, "the body is compressed")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES):
        return _TOO_BIG
    return None


def _keep(context: Context, row: Mapping[str, Any]) -> bool:
    with context.db.unit_of_work() as session:
        return keep(session, row)


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


async def _say(answer: _Answer, send: Send) -> None:
    headers, body = _written(answer)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@functools.lru_cache(64)
def _written(answer: _Answer) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of an answer; there are only a few."""
    refused = answer.status >= 400  # noqa: PLR2004
    body = json.dumps({"error" if refused else "outcome": answer.words}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if answer.status in {408, 413, 503}:
        headers.append((b"connection", b"close"))  # what is still coming is not worth reading
    if answer.status == 503:  # noqa: PLR2004
        headers.append((b"retry-after", b"30"))
    return headers, body
