"""How events reach the product: signed, retried, and as unreliably as one asks for.

A delivery is a row; a thread sends those that are due. Times here are real, not simulated: a
signature's age and a retry's pause are about the network.
"""

import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import httpx2

from sandbox.kernel.store import Store

logger = logging.getLogger(__name__)

MODES: Final = ("normal", "drop", "duplicate", "shuffle", "duplicate_shuffle", "hold")
_TRIES: Final = 20
_LONGEST_PAUSE: Final = 60.0
_TIMEOUT: Final = 20.0
_SHUFFLED_WITHIN: Final = 0.5  # seconds in which shuffled deliveries overtake each other


class _Due(NamedTuple):
    seq: int
    event: str
    endpoint: str
    tries: int


def sign(secret: str, body: bytes, moment: int) -> str:
    """Return the `Stripe-Signature` header.

    Source: https://docs.stripe.com/webhooks/signature#verify-manually
    """
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


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

    @property
    def mode(self) -> str:
        """How unreliable the network is to be: one of `MODES`."""
        return str(self._store.setting("mode", "normal"))

    def set_mode(self, mode: str) -> None:
        """Choose how the deliveries of coming events are treated."""
        with self._lock:
            self._store.set_setting("mode", mode)

    def owe(self, event: str, endpoints: Sequence[str]) -> None:
        """Note a delivery of `event` to each endpoint, as the mode says."""
        mode = self.mode
        state = {"drop": "dropped", "hold": "held"}.get(mode, "pending")
        copies = 2 if mode.startswith("duplicate") else 1
        for endpoint in endpoints:
            for _ in range(copies):
                late = random.uniform(0, _SHUFFLED_WITHIN) if "shuffle" in mode else 0  # noqa: S311
                self._insert(event, endpoint, state, time.time() + late)

    def resend(self, event: str) -> int:
        """Send an event once more to every enabled endpoint; return how many there are."""
        with self._lock:
            endpoints = self._store.find("webhook_endpoint", {"status": "enabled"})
            for endpoint in endpoints:
                self._insert(event, endpoint["id"], "pending", time.time())
        self.wake()
        return len(endpoints)

    def release(self) -> int:
        """Send what was held back; return how many there were."""
        sql = "UPDATE delivery SET state = 'pending', due = ? WHERE state = 'held'"
        with self._lock:
            released = self._store.db.execute(sql, (time.time(),)).rowcount
        self.wake()
        return released

    def forget(self, endpoint: str) -> None:
        """Owe nothing more to an endpoint that is gone."""
        self._store.db.execute("DELETE FROM delivery WHERE endpoint = ?", (endpoint,))

    def summary(self) -> dict[str, Any]:
        """Return the mode and how much waits."""
        with self._lock:
            sql = "SELECT state, count(*) FROM delivery GROUP BY state"
            counts = dict(self._store.db.execute(sql).fetchall())
            pending, held = counts.get("pending", 0), counts.get("held", 0)
            return {"mode": self.mode, "pending": pending, "held": held}

    def wait(self, timeout: float) -> dict[str, Any]:
        """Return when nothing is pending any more, or after `timeout` seconds."""
        end = time.monotonic() + timeout
        while (summary := self.summary())["pending"] and time.monotonic() < end:
            time.sleep(0.01)
        return summary

    def settle_down(self) -> None:
        """Let a request that is already on its way arrive, so that none outlives a reset."""
        if self._sending.acquire(timeout=_TIMEOUT):
            self._sending.release()

    def of_events(self, events: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return what became of the deliveries of some events."""
        marks = ",".join("?" * len(events))
        sql = f"SELECT event, state, tries, result FROM delivery WHERE event IN ({marks})"  # noqa: S608
        found: dict[str, list[dict[str, Any]]] = {}
        for event, state, tries, result in self._store.db.execute(sql, tuple(events)):
            row = {"state": state, "tries": tries, "result": result}
            found.setdefault(event, []).append(row)
        return found

    def _insert(self, event: str, endpoint: str, state: str, due: float) -> None:
        sql = "INSERT INTO delivery (event, endpoint, state, due) VALUES (?, ?, ?, ?)"
        self._store.db.execute(sql, (event, endpoint, state, due))

    def _run(self) -> None:
        with httpx2.Client(timeout=_TIMEOUT) as client:
            while True:
                self._woken.clear()
                try:
                    while self._send_next(client):
                        pass
                except Exception:
                    logger.exception("deliveries: failed, going on")
                self._woken.wait(self._pause())

    def _pause(self) -> float:
        with self._lock:
            sql = "SELECT min(due) FROM delivery WHERE state = 'pending'"
            due = self._store.db.execute(sql).fetchone()[0]
        return 5.0 if due is None else max(0.01, min(5.0, due - time.time()))

    def _send_next(self, client: httpx2.Client) -> bool:
        with self._sending:
            with self._lock:
                sql = "SELECT seq, event, endpoint, tries FROM delivery "
                due = "WHERE state = 'pending' AND due <= ? ORDER BY due, seq LIMIT 1"
                row = self._store.db.execute(sql + due, (time.time(),)).fetchone()
                if row is None:
                    return False
                delivery = _Due(*row)
                target = self._target(delivery)
            if target is None:
                self._finish(delivery, "failed", "the endpoint is gone")
                return True
            result = _post(client, *target)
            if result == "2xx":
                self._finish(delivery, "delivered", result)
            else:
                self._try_later(delivery, result)
            return True

    def _target(self, delivery: _Due) -> tuple[str, str, bytes] | None:
        event, endpoint = self._store.get(delivery.event), self._store.get(delivery.endpoint)
        sql = "SELECT value FROM secret WHERE endpoint = ?"
        secret = self._store.db.execute(sql, (delivery.endpoint,)).fetchone()
        if event is None or endpoint is None or secret is None:
            return None
        return endpoint["url"], secret[0], json.dumps(event, indent=2).encode()

    def _finish(self, delivery: _Due, state: str, result: str) -> None:
        with self._lock, self._store.transaction():
            sql = "UPDATE delivery SET state = ?, tries = tries + 1, result = ? WHERE seq = ?"
            self._store.db.execute(sql, (state, result, delivery.seq))
            event = self._store.get(delivery.event)
            if event is not None and state == "delivered":
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
                self._store.save(event)

    def _try_later(self, delivery: _Due, result: str) -> None:
        """Try again after 1, 2, 4, 8… real seconds, at most a minute, twenty times in all.

        Source: https://docs.stripe.com/webhooks#automatic-retries
        """
        if delivery.tries + 1 >= _TRIES:
            self._finish(delivery, "failed", result)
            return
        due = time.time() + min(_LONGEST_PAUSE, 2.0**delivery.tries)
        sql = "UPDATE delivery SET tries = tries + 1, result = ?, due = ? WHERE seq = ?"
        with self._lock:
            self._store.db.execute(sql, (result, due, delivery.seq))


def _post(client: httpx2.Client, url: str, secret: str, body: bytes) -> str:
    """Send once; return `2xx`, or what came instead."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": sign(secret, body, int(time.time())),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        answer = client.post(url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        return f"{type(problem).__name__}: {problem}"
    return "2xx" if answer.is_success else f"HTTP {answer.status_code}"
