"""Failures on demand: the next call answers with an error, before or after it has its effect."""

import threading
from dataclasses import dataclass


@dataclass(slots=True)
class Fault:
    """Which calls are to fail, how, and how often.

    Attributes:
        after_effect: the call does its work and its answer is kept under the idempotency key;
            only the reply is lost. Otherwise nothing happens.
        delay: real seconds to wait before anything else happens.
        status: what is answered instead; 0 lets the call work, only late.
        remembered: an error before the effect is kept under the idempotency key, as Stripe keeps
            a 500 of its own.
    """

    method: str
    path_prefix: str
    status: int
    after_effect: bool = False
    remembered: bool = False
    delay: float = 0.0
    times: int = 1

    def fits(self, method: str, path: str) -> bool:
        """Say whether a call is meant."""
        return self.method in {"", method} and path.startswith(self.path_prefix)


class Faults:
    """The failures that have been ordered and not happened yet."""

    def __init__(self) -> None:
        """Start with none."""
        self._ordered: list[Fault] = []
        self._lock = threading.Lock()

    def order(self, fault: Fault) -> None:
        """Let the next fitting calls fail."""
        with self._lock:
            self._ordered.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._ordered.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault this call meets, if any, and use it up."""
        with self._lock:
            for fault in self._ordered:
                if fault.fits(method, path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._ordered.remove(fault)
                    return fault
        return None
