"""What no web application on this server and database could beat: the floors."""

import hashlib
import hmac
import json
import os
import sqlite3
from typing import Any

from anyio.to_thread import run_sync

_ANSWER = json.dumps({"access": "granted", "padding": "x" * 500}).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


async def bare(scope: Any, _receive: Any, send: Any) -> None:
    """Answer the same bytes to everybody, with no framework and nothing looked up."""
    if scope["type"] == "http":
        await _answer(send)


class VerifyAndInsert:
    """Check one HMAC and commit one deduplicated row: what accepting a webhook must cost."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._db = self._connect()
        self._db.execute("CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, body BLOB)")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=20000"):
            db.execute(f"PRAGMA {pragma}")
        return db

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take one request in."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        await run_sync(self._keep, body)
        await _answer(send)

    def _keep(self, body: bytes) -> None:
        hmac.compare_digest(hmac.new(b"secret", body, hashlib.sha256).digest(), b"0" * 32)
        event_id = json.loads(body)["id"]
        self._db.execute("INSERT OR IGNORE INTO event VALUES (?, ?)", (event_id, body))


async def _answer(send: Any) -> None:
    length = (b"content-length", str(len(_ANSWER)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
    await send({"type": "http.response.body", "body": _ANSWER})


def verify_and_insert() -> VerifyAndInsert:
    """Build the webhook's floor, on the file the measurement names."""
    return VerifyAndInsert(os.environ["FLOOR_DATABASE"])
