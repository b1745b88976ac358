"""Idempotency keys: the first executed answer is the answer, whatever it was.

Source: https://docs.stripe.com/api/idempotent_requests
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from sandbox.errors import StripeError
from sandbox.kernel.world import World

_KEPT_SECONDS = 24 * 3600
_IN_USE = (
    "There is currently another in-progress request using this idempotency key (that probably "
    "means you submitted twice, and the other request is still going through): {}. Please try "
    "again later."
)
_OTHER = (
    "Keys for idempotent requests can only be used with the same parameters they were first used "
    "with. Try using a key other than '{}' if you meant to execute a different request."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A stored answer and the request it first answered."""

    status: int
    body: str
    request: str


@dataclass(frozen=True, slots=True)
class Key:
    """One idempotency key with what it is used for; an empty one remembers nothing."""

    text: str
    fingerprint: str

    @classmethod
    def of(cls, text: str, *request: Any) -> Self:
        """Return the key of a request: its method, path and params."""
        said = json.dumps(request, sort_keys=True)
        return cls(text, hashlib.sha256(said.encode()).hexdigest())


class Memory:
    """What each key has been answered."""

    def __init__(self, world: World) -> None:
        """Remember in this world's store."""
        self._world = world
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def claimed(self, key: Key) -> Iterator[None]:
        """Hold a key for the length of a request.

        Raises:
            StripeError: 409, another request with this key is not finished.
        """
        with self._lock:
            if key.text in self._busy:
                said = {"code": "idempotency_key_in_use"}
                raise StripeError(409, "idempotency_error", _IN_USE.format(key.text), **said)
            self._busy |= {key.text} - {""}
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(key.text)

    def recall(self, key: Key) -> Reply | None:
        """Return the answer a key has already had.

        Raises:
            StripeError: the key was used for another request.
        """
        sql = "SELECT fingerprint, status, body, request FROM reply WHERE key = ? AND created > ?"
        since = self._world.now - _KEPT_SECONDS
        row = self._world.store.db.execute(sql, (key.text, since)).fetchone()
        if row is None:
            return None
        if row[0] != key.fingerprint:
            raise StripeError(400, "idempotency_error", _OTHER.format(key.text))
        return Reply(*row[1:])

    def keep(self, key: Key, reply: Reply) -> None:
        """Remember an answer for a day of simulated time."""
        if key.text:
            row = (key.text, key.fingerprint, reply.status, reply.body)
            sql = "REPLACE INTO reply VALUES (?, ?, ?, ?, ?, ?)"
            self._world.store.db.execute(sql, (*row, self._world.now, reply.request))
