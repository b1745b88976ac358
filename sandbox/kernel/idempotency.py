"""Idempotency keys: the first executed answer is the answer, whatever it was.

Source: https://docs.stripe.com/api/idempotent_requests
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.errors import StripeError
from sandbox.kernel.world import World

_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Reply:
    """A stored answer and the request it first answered."""

    status: int
    body: str
    request: str


class InFlight:
    """The keys of requests that are being worked on at this moment."""

    def __init__(self) -> None:
        """Start with none."""
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def claimed(self, key: str) -> Iterator[None]:
        """Hold `key` for the length of a request.

        Raises:
            StripeError: 409, another request with this key is not finished.
        """
        with self._lock:
            if key in self._keys:
                message = (
                    f"There is currently another in-progress request using this idempotency key "
                    f"(that probably means you submitted twice, and the other request is still "
                    f"going through): {key}. Please try again later."
                )
                raise StripeError(409, "idempotency_error", message, code="idempotency_key_in_use")
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


class Memory:
    """What one key has been answered, if anything; with no key it remembers nothing."""

    def __init__(self, world: World, key: str, request: list[Any]) -> None:
        """Compare later requests by method, path and params."""
        self._world = world
        self.key = key
        text = json.dumps(request, sort_keys=True)
        self._fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def recall(self) -> Reply | None:
        """Return the answer this key has already had.

        Raises:
            StripeError: the key was used for another request.
        """
        if not self.key:
            return None
        sql = "SELECT fingerprint, status, body, request, created FROM reply WHERE key = ?"
        row = self._world.store.db.execute(sql, (self.key,)).fetchone()
        if row is None or row[4] + _KEPT_SECONDS <= self._world.now:
            return None
        if row[0] != self._fingerprint:
            message = (
                f"Keys for idempotent requests can only be used with the same parameters they "
                f"were first used with. Try using a key other than '{self.key}' if you meant to "
                f"execute a different request."
            )
            raise StripeError(400, "idempotency_error", message)
        return Reply(status=row[1], body=row[2], request=row[3])

    def keep(self, reply: Reply) -> None:
        """Remember an answer for a day of simulated time."""
        if self.key:
            row = (self.key, self._fingerprint, reply.status, reply.body)
            self._world.store.db.execute(
                "REPLACE INTO reply VALUES (?, ?, ?, ?, ?, ?)",
                (*row, self._world.now, reply.request),
            )
