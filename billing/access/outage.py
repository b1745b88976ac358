"""While the database does not answer: who is still let in, how often it is tried, and the alarm.

Nobody waits for a database that is known to be away: one question a second finds out whether it is
back. When it answers again, the staff are told since when it did not and what readers met.
"""

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.access.reasons import Reason

_AGAIN: Final = 1.0  # seconds between two tries
_KIND: Final = "wall-outage"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outage:
    """What one web process knows of it.

    Attributes:
        since: when it began; None while the database answers.
        told: what readers were answered meanwhile.
    """

    since: datetime | None = None
    told: Counter[Reason] = field(default_factory=Counter)
    _next_try: float = 0.0

    def keeps_out(self) -> bool:
        """Tell whether a question need not try; of those that come in a second, one may."""
        if time.monotonic() < self._next_try:
            return True
        if self.since is not None and self._next_try:
            self._next_try = time.monotonic() + _AGAIN
        return False

    def began(self, error: Exception, *, away: bool, now: datetime) -> None:
        """Note that the database did not answer: because it is away, or only busy."""
        if away:
            self._next_try = time.monotonic() + _AGAIN
        if self.since is None:
            self.since = now
            _log.error("the wall answers without its database", error=str(error), away=away)

    def ended(self) -> Self:
        """Note that the database answers again; return what there is to tell of it."""
        past = replace(self, told=self.told.copy())
        _log.info("the wall has its database again", since=str(self.since))
        self.since, self._next_try = None, 0.0
        self.told.clear()
        return past

    def again(self, past: "Outage") -> None:
        """Take back that it ended: the staff could not be told, and must be."""
        self.since = past.since
        self.told.update(past.told)


def tell_staff(session: Session, past: Outage, *, now: datetime) -> None:
    """Ask the staff to look at what has happened: once for each hour in which it began."""
    if past.since is None or not past.told:
        return
    met = ", ".join(f"{number} answered {reason}" for reason, number in sorted(past.told.items()))
    tasks.raise_task(
        session,
        _KIND,
        subject=f"{past.since:%Y-%m-%d %H}",
        detail=f"From {past.since:%Y-%m-%d %H:%M} to {now:%H:%M} UTC a web process asked the"
        f" database in vain. Readers met meanwhile: {met}. Settings for such times:"
        " BILLING_PAYWALL__CHECK_WHEN_DOWN and BILLING_PAYWALL__AUTH_WHEN_DOWN.",
        now=now,
    )
