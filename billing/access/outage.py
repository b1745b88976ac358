"""While the database does not answer: who is still let in, how often it is tried, and the alarm.

Nobody waits for a database that is known to be away: one question a second finds out whether it is
back. When it is, the staff are told how long it was away and what readers met meanwhile.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

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
    """

    since: datetime | None = None
    _told: Counter[Reason] = field(default_factory=Counter)
    _next_try: float = 0.0

    def keeps_out(self) -> bool:
        """Tell whether a question need not try; of those that come in a second, one may."""
        if self.since is None:
            return False
        if time.monotonic() < self._next_try:
            return True
        self._next_try = time.monotonic() + _AGAIN
        return False

    def began(self, error: Exception, *, now: datetime) -> None:
        """Note that the database did not answer."""
        self._next_try = time.monotonic() + _AGAIN
        if self.since is None:
            self.since = now
            _log.error("the wall answers without its database", error=str(error))

    def told(self, reason: Reason) -> None:
        """Count an answer that was given blindly."""
        self._told[reason] += 1

    def ended(self) -> None:
        """Note that the database answers again, and that the staff know what happened."""
        _log.info("the wall has its database again", since=str(self.since))
        self.since = None
        self._told.clear()

    def tell_staff(self, session: Session, *, now: datetime) -> None:
        """Ask the staff to look at what has happened."""
        if self.since is None or not self._told:
            return
        told = sorted(self._told.items())
        met = ", ".join(f"{number} answered {reason}" for reason, number in told)
        tasks.raise_task(
            session,
            _KIND,
            subject=self.since.isoformat(),
            detail=f"From {self.since:%Y-%m-%d %H:%M} to {now:%H:%M} UTC a web process asked the"
            f" database in vain. Readers met meanwhile: {met}. Settings for such times:"
            " BILLING_PAYWALL__CHECK_WHEN_DOWN and BILLING_PAYWALL__AUTH_WHEN_DOWN.",
            now=now,
        )
