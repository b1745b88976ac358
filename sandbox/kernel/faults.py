"""Failures on demand: the next call answers with an error, before or after it has its effect."""

import threading
from dataclasses import dataclass


@dataclass(slots=True)
class Fault:
    """Which calls are to fail, how, and how often.

    Attributes:
        after_effect: the call does its work and its answer is kept under the idempotency key;
            only the reply is lost. Otherwise nothing happens.
    """

    method: str = ""
    path_prefix: str = "/v1/"
    status: int = 500
    after_effect: bool = False
    times: int = 1


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
                if fault.method in {"", method} and path.startswith(fault.path_prefix):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._ordered.remove(fault)
                    return fault
        return None
