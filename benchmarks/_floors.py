"""What no web application on this server and database could beat: the floors.

Each is run by the same server, with the same options, as the product (`benchmarks._measure`).
"""

import asyncio
import hmac
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
from fastapi import FastAPI

_SAID = {"access": "granted", "padding": "x" * 500}
_ANSWER = json.dumps(_SAID).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_COLUMNS = (
    "account, event_id, type, object_id, subject, feed, api_version, livemode, created_at,"
    " received_at, headers, body, outcome, state, run_at, attempts, lost_leases, last_error"
)
_PLACES = ", ".join(["%s"] * len(_COLUMNS.split(",")))
_INSERT = f"INSERT INTO floor_event ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT DO NOTHING".encode()  # noqa: S608
_TABLE = "CREATE TABLE IF NOT EXISTS floor_event (LIKE stripe_event INCLUDING ALL)"
_SESSION = "SELECT reader_id, expires_at FROM web_session WHERE token_hash = ?"
_COUNTED = (
    'INSERT INTO meter ("window", subject, articles)'
    " VALUES ('floor', ?, '0123456789abcdef0123456789abcdef') ON CONFLICT DO NOTHING"
)


async def bare(scope: Any, _receive: Any, send: Any) -> None:
    """Answer the same bytes to everybody, with no framework and nothing looked up."""
    if scope["type"] == "http":
        await _answer(send, _ANSWER)


class VerifyAndInsert:
    """Check one HMAC and commit one deduplicated row: what accepting a webhook must cost.

    The row has every column and index of ours. Each thread has a connection, and each statement
    commits by itself and is prepared: there is no shorter way to the disk one event at a time.
    """

    def __init__(self, database: str, *, secret: bytes, threads: int) -> None:
        self._database, self._secret = database, secret
        self._threads = ThreadPoolExecutor(threads)
        self._mine = threading.local()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(_TABLE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take one request in."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        header = dict(scope["headers"])[b"stripe-signature"]
        stamp, signature = (part.partition(b"=")[2] for part in header.split(b","))
        expected = hmac.digest(self._secret, stamp + b"." + body, "sha256").hex().encode()
        if not hmac.compare_digest(expected, signature):
            raise ValueError("not signed")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._keep, header.decode(), body)
        await _answer(send, b'{"outcome": "received"}')

    def _keep(self, header: str, body: bytes) -> None:
        if not hasattr(self._mine, "cursor"):
            self._mine.cursor = psycopg.connect(self._database, autocommit=True).cursor()
        said, now = json.loads(body), datetime.now(UTC)
        about = said["data"]["object"]
        row = (
            *("", said["id"], said["type"], about["id"], "payment:" + about["payment_intent"]),
            *("webhook", said["api_version"], said["livemode"], now, now),
            *(json.dumps({"stripe-signature": header}), body, "", "ready", now, 0, 0, ""),
        )
        self._mine.cursor.execute(_INSERT, row, prepare=True)


class OneStatement:
    """Run one prepared statement, whose one value each request brings as its query.

    As above: each thread has a connection, set as ours are, and each statement commits by itself.
    """

    def __init__(self, database: str, statement: str, *, threads: int) -> None:
        self._database, self._statement = database, statement
        self._threads = ThreadPoolExecutor(threads)
        self._mine = threading.local()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Run the statement, then answer the same bytes to everybody."""
        if scope["type"] != "http":
            return
        value = scope["query_string"].decode()
        await asyncio.get_running_loop().run_in_executor(self._threads, self._run, value)
        await _answer(send, _ANSWER)

    def _run(self, value: str) -> None:
        if not hasattr(self._mine, "run"):
            self._mine.run = self._connect()
        self._mine.run(value)

    def _connect(self) -> Callable[[str], object]:
        on_sqlite = self._database.startswith("sqlite:///")
        return self._sqlite() if on_sqlite else self._postgresql()

    def _sqlite(self) -> Callable[[str], object]:
        path = self._database.removeprefix("sqlite:///")
        cursor = sqlite3.connect(path, isolation_level=None).cursor()
        for pragma in ("busy_timeout=20000", "journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        return lambda value: cursor.execute(self._statement, (value,)).fetchone()

    def _postgresql(self) -> Callable[[str], object]:
        cursor = psycopg.connect(self._database, autocommit=True).cursor()
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        statement = self._statement.replace("?", "%s").encode()
        return lambda value: cursor.execute(statement, (value,), prepare=True).rowcount


async def _answer(send: Any, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
    await send({"type": "http.response.body", "body": body})


def one_lookup() -> OneStatement:
    """Build the floor of a reader we do not remember: their session by its primary key."""
    return _one_statement(_SESSION)


def one_insert() -> OneStatement:
    """Build the floor of a counted read: one committed row of the meter's."""
    return _one_statement(_COUNTED)


def _one_statement(statement: str) -> OneStatement:
    threads = int(os.environ["FLOOR_THREADS"])
    return OneStatement(os.environ["FLOOR_DATABASE"], statement, threads=threads)


def fastapi_route() -> FastAPI:
    """Build the least FastAPI application: no floor of ours, but what many would compare with."""
    app = FastAPI()

    @app.get("/paywall/v1/check")
    async def _check() -> dict[str, str]:
        return _SAID

    return app


def verify_and_insert() -> VerifyAndInsert:
    """Build the webhook's floor, on the database the measurement names."""
    return VerifyAndInsert(
        os.environ["FLOOR_DATABASE"],
        secret=os.environ["FLOOR_SECRET"].encode(),
        threads=int(os.environ["FLOOR_THREADS"]),
    )
