"""Simulated time: real time plus an offset that only grows.

The offset is also written to a file where the product reads it, so that both agree on "now".
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.kernel.store import Store


class Clock:
    """What time it is in the sandbox."""

    def __init__(self, store: Store, file: Path | None, *, start: int = 0) -> None:
        """Take up the remembered offset; an empty store begins at `start` seconds from now."""
        self._store = store
        self._file = file
        self._start = start
        self._standing: int | None = None
        self.test_clock = ""  # whose time it is, while it is not the account's
        self.offset = 0
        self._set(store.setting("offset", start))

    def now(self) -> int:
        """Return the simulated time in whole seconds."""
        return int(time.time()) + self.offset if self._standing is None else self._standing

    def account_now(self) -> int:
        """Return the time of the account, even while a test clock's is shown."""
        return int(time.time()) + self.offset if self.test_clock else self.now()

    def reach(self, moment: int) -> None:
        """Move forward to `moment`; a moment that has passed changes nothing."""
        self.shift(moment - int(time.time()))

    def shift(self, offset: int) -> None:
        """Move forward to a greater offset; a smaller one changes nothing."""
        if offset > self.offset:
            self._set(offset)

    def restart(self) -> None:
        """Go back to the offset of a first start: only a reset may do that."""
        self._set(self._start)

    @contextmanager
    def standing_at(self, moment: int, test_clock: str = "") -> Iterator[None]:
        """Let the clock show exactly `moment` while a job due then is run."""
        before = (self._standing, self.test_clock)
        self._standing, self.test_clock = moment, test_clock
        try:
            yield
        finally:
            self._standing, self.test_clock = before

    def _set(self, offset: int) -> None:
        """Remember it first: a crash in between is made good by the next start.

        Then the file, in one piece, before we act by it ourselves: the product must never be
        behind a time Stripe has reached.
        """
        self._store.set_setting("offset", offset)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_name(self._file.name + ".new")
            fresh.write_text(f"{offset}\n")
            fresh.replace(self._file)
        self.offset = offset
