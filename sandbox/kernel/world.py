"""One local Stripe account: its objects, its time, its events.

Always true: what is stored has been checked against the SDK's types; whoever changes anything
holds the lock; a change and its events are kept together or not at all.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sandbox.contract import resources
from sandbox.contract.operations import pinned_version
from sandbox.errors import missing
from sandbox.kernel.clock import Clock
from sandbox.kernel.deliveries import Deliveries
from sandbox.kernel.faults import Faults
from sandbox.kernel.ids import new_id
from sandbox.kernel.store import Doc, Store

__all__ = ["JOBS", "Doc", "Job", "World", "job"]

logger = logging.getLogger(__name__)

Job = Callable[["World", str], None]
JOBS: Final[dict[str, Job]] = {}
_NO_REQUEST: Final[Mapping[str, None]] = {"id": None, "idempotency_key": None}


def job(kind: str) -> Callable[[Job], Job]:
    """Register what to do when a moment scheduled under `kind` has come.

    A job looks again at its subject and does what is due, so one too many does no harm.
    """

    def register(function: Job) -> Job:
        JOBS[kind] = function
        return function

    return register


class World:
    """Everything the operations work on."""

    def __init__(self, data: Path, url: str, clock_file: Path | None, *, start: int = 0) -> None:
        """Open the account kept in `data`; `url` is where it is met."""
        self.version = pinned_version()
        self.url = url
        self.faults = Faults()
        self.lock = threading.RLock()
        self._advancing = threading.Lock()
        self.store = Store(data / "sandbox.sqlite3")
        self.clock = Clock(self.store, clock_file, start=start)
        self.deliveries = Deliveries(self.store, self.lock)
        self._request: Mapping[str, str | None] = _NO_REQUEST

    @property
    def now(self) -> int:
        """The simulated time."""
        return self.clock.now()

    @contextmanager
    def changing(self, request: Mapping[str, str | None] = _NO_REQUEST) -> Iterator[None]:
        """Hold the lock and one transaction; events raised inside name `request`."""
        with self.lock:
            self._request = request
            try:
                with self.store.transaction():
                    yield
            finally:
                self._request = _NO_REQUEST
        self.deliveries.wake()

    def create(
        self, name: str, fields: Mapping[str, Any], *, parent: str = "", event: str = ""
    ) -> Doc:
        """Store a new resource made of its skeleton and `fields`."""
        doc: Doc = resources.skeleton(name) | {"id": new_id(name)}
        if "created" in resources.fields(name):
            doc["created"] = self.now
        doc.update(fields)
        resources.check(doc)
        self.store.insert(doc, parent=parent)
        if event:
            self.emit(event, doc)
        return doc

    def change(self, doc: Doc, fields: Mapping[str, Any], *, event: str = "") -> Doc:
        """Store new values of some fields; `event` tells of it, with what they were before."""
        previous = {key: doc.get(key) for key, value in fields.items() if doc.get(key) != value}
        changed: Doc = {**doc, **fields}
        if previous:
            resources.check(changed)
            self.store.save(changed)
        if event and (previous or not event.endswith(".updated")):
            self.emit(event, changed, previous if event.endswith(".updated") else None)
        return changed

    def delete(self, doc: Doc, *, event: str = "") -> Doc:
        """Leave of a resource only that it is deleted; the event still shows all of it."""
        stub = {"id": doc["id"], "object": doc["object"], "deleted": True}
        self.store.save(stub)
        if event:
            self.emit(event, doc)
        return stub

    def get(self, name: str, ident: str, *, param: str = "id", status: int = 404) -> Doc:
        """Return a resource that is not deleted.

        Raises:
            StripeError: `resource_missing`.
        """
        doc = self.store.get(ident)
        if doc is None or doc["object"] != name or doc.get("deleted"):
            raise missing(name.replace(".", "_"), ident, param=param, status=status)
        return doc

    def emit(self, kind: str, doc: Doc, previous: Doc | None = None) -> None:
        """Record an event and owe it to every endpoint that asked for its kind.

        Source: https://docs.stripe.com/api/events/object
        """
        endpoints = [
            endpoint["id"]
            for endpoint in self.store.find("webhook_endpoint", {"status": "enabled"})
            if {kind, "*"} & set(endpoint["enabled_events"])
        ]
        fields = {
            "api_version": self.version,
            "created": self.clock.account_now(),
            "data": {"object": doc} | ({"previous_attributes": previous} if previous else {}),
            "pending_webhooks": len(endpoints),
            "request": dict(self._request),
            "type": kind,
        }
        self.deliveries.owe(self.create("event", fields)["id"], endpoints)

    def schedule(self, moment: int, kind: str, subject: str) -> None:
        """Have the job `kind` run for `subject` at a simulated moment of the clock it lives by."""
        sql = "INSERT INTO job (run_at, kind, subject, clock) VALUES (?, ?, ?, ?)"
        self.store.db.execute(sql, (moment, kind, subject, self.clock.test_clock))

    def run_due(self) -> None:
        """Run what has become due as time passed by itself; a job that fails is dropped."""
        try:
            while self._run_next(by=self.clock.now()):
                pass
        except Exception:
            logger.exception("a scheduled job failed and was dropped")

    def advance(self, seconds: int) -> None:
        """Move the clock forward, stopping at every job on the way, in order.

        Between two jobs others get their turn, as they would if the time really passed.

        Source: https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage
        """
        with self._advancing:
            goal = self.clock.offset + seconds
            while self._run_next(by=int(time.time()) + goal):
                time.sleep(0)
            with self.lock:
                self.clock.shift(goal)

    def _run_next(self, *, by: int) -> bool:
        with self.lock:
            row = self.store.next_job("", by)
            if row is None:
                return False
            seq, moment, kind, subject = row
            self.clock.reach(moment)
            done = ("DELETE FROM job WHERE seq = ?", (seq,))
            try:
                with self.clock.standing_at(moment), self.changing():
                    self.store.db.execute(*done)
                    JOBS[kind](self, subject)
            except Exception:
                self.store.db.execute(*done)  # a job that fails would fail for ever
                raise
        return True

    def reset(self, *, keep_endpoints: bool) -> None:
        """Forget everything and start the clock anew."""
        with self.lock:
            self.faults.clear()
            with self.store.transaction():
                self.store.clear(keep_endpoints=keep_endpoints)
            self.clock.restart()
        self.deliveries.settle_down()
