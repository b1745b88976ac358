"""Failures on demand: the next call is slow, or fails before or after it has its effect."""

from dataclasses import dataclass


@dataclass(slots=True)
class Fault:
    """Which calls are to fail, how, and how often.

    Attributes:
        after_effect: the call does its work and its answer is kept under the idempotency key;
            only the reply is lost. Otherwise nothing happens.
        status: 0 for a call that is only slow.
        delay: real seconds before anything else happens.
    """

    method: str
    path_prefix: str
    status: int
    after_effect: bool
    times: int
    delay: float = 0.0


class Faults(list[Fault]):
    """The failures that have been ordered and not happened yet; the world's lock guards them."""

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault this call meets, if any, and use it up."""
        for fault in self:
            if fault.method in {"", method} and path.startswith(fault.path_prefix):
                fault.times -= 1
                if fault.times <= 0:
                    self.remove(fault)
                return fault
        return None
