"""Hear of every change of who may read, whichever process made it, and know that we hear.

Triggers announce each change in its own transaction (migration 0003). On PostgreSQL we listen, and
prove several times a second that we do, by a word to ourselves: the database passes words on in the
order of their commits, so whatever was committed before it has been heard. On SQLite we look
whether anybody has committed, and read the announcements if so. Without a proof nothing that is
remembered may be used; after a silence everything is forgotten.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from billing.db import Database
from billing.driver import open_driver

STALE: Final = 1.0  # seconds after which what is remembered is used no more, unless proved anew
EVERYBODY: Final = "everybody"
_CHANNEL: Final = "access"
_PROOF: Final = 0.25  # seconds between two proofs on PostgreSQL
_LOOK: Final = 0.05  # and between two looks on SQLite
_SILENCE: Final = 5.0  # seconds without a proof after which we call again
_AFTER_FAILURE: Final = 0.5

# What has changed, and the time on the monotonic clock up to which everything has been heard.
Hear = Callable[[list[str], float], None]

_log = structlog.get_logger(__name__)


class Changes:
    """A thread that hears of changes, until it is told to stop."""

    def __init__(self, db: Database, hear: Hear) -> None:
        self._db = db
        self._hear = hear
        self._stop = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._keep_on, name="changes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a thread that waits for the database is left to itself."""
        self._stop.set()
        self._thread.join(2 * _PROOF)

    def _keep_on(self) -> None:
        once = self._look if self._db.is_sqlite else self._listen
        while not self._stop.is_set():
            try:
                with contextlib.closing(open_driver(self._db)) as driver:
                    once(driver)
            except Exception as error:  # noqa: BLE001  # whatever it is, we call again
                if not self._away:
                    self._away = True
                    _log.error("changes are not heard", error=type(error).__name__)
                self._stop.wait(_AFTER_FAILURE)

    def _listen(self, driver: Any) -> None:
        """Pass on what PostgreSQL tells.

        Source: https://www.postgresql.org/docs/current/sql-notify.html
        """
        proof = f"proof_{secrets.token_hex(8)}"
        driver.autocommit = True
        driver.execute(f"LISTEN {_CHANNEL}")
        driver.execute(f"LISTEN {proof}")
        said, proved = 0.0, time.monotonic()
        self._begin(proved)
        while not self._stop.is_set():
            if proved >= said:  # the last word came back, so another may be said
                said = time.monotonic()
                driver.execute(f"NOTIFY {proof}")
            elif time.monotonic() - said > _SILENCE:
                raise TimeoutError("nothing is heard")
            for word in driver.notifies(timeout=_PROOF):
                if word.channel == proof:
                    proved = said
                    self._hear([], proved)
                else:
                    self._hear([word.payload], proved)
                if self._stop.is_set():
                    break

    def _look(self, driver: Any) -> None:
        """Read the announcements whenever somebody has committed.

        Source: https://www.sqlite.org/pragma.html#pragma_data_version
        """
        driver.execute("PRAGMA query_only=ON")
        version, last = None, self._newest(driver)
        looked = time.monotonic()
        self._begin(looked)
        while not self._stop.wait(_LOOK):
            before, looked = looked, time.monotonic()
            changed: list[str] = [EVERYBODY] if looked - before > STALE else []
            [now_at] = driver.execute("PRAGMA data_version").fetchone()
            if now_at != version:
                rows = driver.execute(
                    "SELECT id, subject FROM access_change WHERE id > ? ORDER BY id", (last,)
                ).fetchall()
                changed += [subject for _, subject in rows]
                if rows and rows[0][0] != last + 1:  # too much at once: the oldest are dropped
                    changed.append(EVERYBODY)
                version, last = now_at, rows[-1][0] if rows else last
            self._hear(changed, looked)

    def _begin(self, since: float) -> None:
        """Whatever was remembered before we began to hear is forgotten."""
        if self._away:
            self._away = False
            _log.info("changes are heard again")
        self._hear([EVERYBODY], since)

    @staticmethod
    def _newest(driver: Any) -> int:
        [newest] = driver.execute("SELECT coalesce(max(id), 0) FROM access_change").fetchone()
        return int(newest)
