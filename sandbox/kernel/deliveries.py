"""How events reach the product: signed, retried, and as unreliably as one asks for.

A delivery is a row, and is done only when an answer has come; a thread sends those that are due.
Times here are real, not simulated: a signature's age and a retry's pause are about the network.
"""

import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

import httpx2

from sandbox.kernel.store import Store
from sandbox.kernel.versions import as_of

logger = logging.getLogger(__name__)

# What becomes of events from now on; a bad signature is on whatever is sent while it is set.
MODES: Final = (
    "normal", "drop", "duplicate", "shuffle", "duplicate_shuffle", "hold", "delay", "bad_signature",
)  # fmt: skip
_TRIES: Final = 20
_LONGEST_PAUSE: Final = 60.0
_TIMEOUT: Final = 20.0
_SHUFFLED_WITHIN: Final = 0.5  # seconds in which shuffled deliveries overtake each other
_DUE = """
SELECT seq, event, endpoint, tries, secret.value FROM delivery JOIN secret USING (endpoint)
WHERE state = 'pending' AND due <= ? ORDER BY due, seq LIMIT 1"""
_UNHEARD = """
SELECT count(DISTINCT endpoint) FROM delivery WHERE event = ? AND endpoint NOT IN
(SELECT endpoint FROM delivery WHERE event = ? AND state = 'delivered')"""


def sign(secrets: str, body: bytes, moment: int) -> str:
    """Return the `Stripe-Signature` header: one signature for each of the endpoint's secrets.

    Source: https://docs.stripe.com/webhooks#roll-endpoint-secrets
    """
    text = f"{moment}.".encode() + body
    digests = [
        hmac.new(each.encode(), text, hashlib.sha256).hexdigest() for each in secrets.split()
    ]
    return ",".join([f"t={moment}", *(f"v1={digest}" for digest in digests)])


class Deliveries:
    """What is owed to which endpoint."""

    def __init__(self, store: Store, lock: threading.RLock) -> None:
        """Share the world's store and lock."""
        self._store = store
        self._lock = lock
        self._woken = threading.Event()
        self._sending = threading.Lock()

    def start(self) -> None:
        """Begin sending in the background."""
        threading.Thread(target=self._run, name="deliveries", daemon=True).start()

    def wake(self) -> None:
        """Say that something new may be due."""
        self._woken.set()

    def set_mode(self, mode: str, *, delay: float, version: str) -> None:
        """Choose how coming events are delivered: how late if delayed, and in which API version."""
        with self._lock:
            for name, value in {"mode": mode, "delay": delay, "version": version}.items():
                self._store.set_setting(name, value)

    def owe(self, event: str, endpoints: Iterable[str]) -> None:
        """Note a delivery of `event` to each endpoint, as the mode says."""
        mode = self._store.setting("mode", "normal")
        state = {"drop": "dropped", "hold": "held"}.get(mode, "pending")
        copies = 2 if mode.startswith("duplicate") else 1
        delay = self._store.setting("delay", 0) if mode == "delay" else 0
        for endpoint in [endpoint for endpoint in endpoints for _ in range(copies)]:
            late = random.uniform(0, _SHUFFLED_WITHIN) if "shuffle" in mode else delay  # noqa: S311
            self._insert(event, endpoint, state, time.time() + late)

    def resend(self, event: str) -> None:
        """Send an event once more to every enabled endpoint."""
        with self._lock:
            for endpoint in self._store.find("webhook_endpoint", {"status": "enabled"}):
                self._insert(event, endpoint["id"], "pending", time.time())
        self.wake()

    def release(self) -> None:
        """Send now what was held back, and what waits for its hour or for another try."""
        sql = "UPDATE delivery SET state = 'pending', due = ? WHERE state IN ('held', 'pending')"
        with self._lock:
            self._store.db.execute(sql, (time.time(),))
        self.wake()

    def roll(self, endpoint: str, secret: str) -> None:
        """Sign with a new secret as well as the old, until `expire`."""
        sql = "UPDATE secret SET value = ? || ' ' || value WHERE endpoint = ?"
        self._store.db.execute(sql, (secret, endpoint))

    def expire(self, endpoint: str) -> None:
        """Sign with the newest secret only."""
        sql = "UPDATE secret SET value = substr(value, 1, instr(value || ' ', ' ') - 1)"
        self._store.db.execute(f"{sql} WHERE endpoint = ?", (endpoint,))

    def forget(self, endpoint: str) -> None:
        """Owe nothing more to an endpoint that is gone."""
        for table in ("delivery", "secret"):
            self._store.db.execute(f"DELETE FROM {table} WHERE endpoint = ?", (endpoint,))  # noqa: S608

    def summary(self) -> dict[str, Any]:
        """Return the mode and how much waits."""
        with self._lock:
            sql = "SELECT state, count(*) FROM delivery GROUP BY state"
            counts = dict(self._store.db.execute(sql).fetchall())
            waiting = {state: counts.get(state, 0) for state in ("pending", "held")}
            return {"mode": self._store.setting("mode", "normal")} | waiting

    def wait(self, timeout: float) -> None:
        """Return when nothing is pending any more, or after `timeout` seconds."""
        end = time.monotonic() + timeout
        while self.summary()["pending"] and time.monotonic() < end:
            time.sleep(0.01)

    def settle_down(self) -> None:
        """Let a request that is already on its way arrive, so that none outlives a reset."""
        if self._sending.acquire(timeout=_TIMEOUT):
            self._sending.release()

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return what became of the deliveries of an event."""
        sql = "SELECT state, tries, result FROM delivery WHERE event = ?"
        rows = self._store.db.execute(sql, (event,))
        return [dict(zip(("state", "tries", "result"), row, strict=True)) for row in rows]

    def _insert(self, event: str, endpoint: str, state: str, due: float) -> None:
        sql = "INSERT INTO delivery (event, endpoint, state, due) VALUES (?, ?, ?, ?)"
        self._store.db.execute(sql, (event, endpoint, state, due))

    def _run(self) -> None:
        # Endpoints are on this machine: a proxy in the environment is not for them.
        with httpx2.Client(timeout=_TIMEOUT, trust_env=False) as client:
            while True:
                self._woken.clear()
                try:
                    while self._send_next(client):
                        pass
                    pause = self._pause()
                except Exception:
                    logger.exception("deliveries: failed, going on")
                    pause = 1.0
                self._woken.wait(pause)

    def _pause(self) -> float:
        with self._lock:
            sql = "SELECT min(due) FROM delivery WHERE state = 'pending'"
            due = self._store.db.execute(sql).fetchone()[0]
        return 5.0 if due is None else max(0.01, min(5.0, due - time.time()))

    def _send_next(self, client: httpx2.Client) -> bool:
        with self._sending:
            with self._lock:
                row = self._store.db.execute(_DUE, (time.time(),)).fetchone()
                if row is None:
                    return False
                seq, event, endpoint, tries, secret = row
                body, url = self._written(event, endpoint)
                if self._store.setting("mode", "normal") == "bad_signature":
                    secret = secret[::-1]
            self._note(seq, event, tries + 1, _post(client, url, secret, body))
            return True

    def _written(self, event: str, endpoint: str) -> tuple[bytes, str]:
        """Return what an endpoint is sent, in its own API version, and where."""
        doc, to = self._store.get(event) or {}, self._store.get(endpoint) or {}
        version = self._store.setting("version", "") or to["api_version"] or doc["api_version"]
        if version != doc["api_version"]:
            doc = as_of(self._store, doc, version)
        return json.dumps(doc, indent=2).encode(), to["url"]

    def _note(self, seq: int, event: str, tries: int, result: str) -> None:
        """Write down how it went; if badly, try again after 1, 2, 4… seconds, twenty times in all.

        Source: https://docs.stripe.com/webhooks#automatic-retries
        """
        state = "delivered" if result == "2xx" else "failed" if tries >= _TRIES else "pending"
        due = time.time() + min(_LONGEST_PAUSE, 2.0 ** (tries - 1))
        sql = "UPDATE delivery SET state = ?, tries = ?, result = ?, due = ? WHERE seq = ?"
        with self._lock, self._store.transaction():
            self._store.db.execute(sql, (state, tries, result, due, seq))
            doc = self._store.get(event)
            if doc is not None and state == "delivered":
                unheard = self._store.db.execute(_UNHEARD, (event, event)).fetchone()[0]
                self._store.save(doc | {"pending_webhooks": unheard})


def _post(client: httpx2.Client, url: str, secrets: str, body: bytes) -> str:
    """Send once; return `2xx`, or what came instead."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": sign(secrets, body, int(time.time())),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        answer = client.post(url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        return f"{type(problem).__name__}: {problem}"
    return "2xx" if answer.is_success else f"HTTP {answer.status_code}"
