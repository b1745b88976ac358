"""What every answer of a moment rests on: the window, its hashes, the openings, the keys."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.access import break_glass, meter, passes
from billing.access.decide import Opening
from billing.db import Database
from billing.settings import Settings


@dataclass(frozen=True, slots=True)
class Basis:
    """What concerns everybody; it holds in one window, until somebody of the staff changes it.

    Attributes:
        hashes: what is kept of articles in this window.
        openings: those of the staff's that hold now or later.
        keys: the numbers of the keys of reader passes, the newest first.
        answers: those that are the same for everybody without a right; `check` fills it.
    """

    window: meter.Window
    hashes: meter.Hashes
    openings: tuple[Opening, ...]
    keys: tuple[int, ...]
    answers: dict[int, Any] = field(default_factory=dict)

    def holds(self, now: datetime) -> bool:
        """Tell whether an instant is in its window."""
        return self.window.starts_at <= now < self.window.ends_at


def load(db: Database, settings: Settings, *, now: datetime) -> Basis:
    """Read it from the database, and begin the window where nobody has."""
    window = meter.window_of(now)
    with db.reading() as session:
        salt = meter.salt_of(session, window)
        openings = break_glass.standing(session, now=now)
        keys = passes.numbers(session)
    if salt is None:
        with db.unit_of_work() as session:
            salt = meter.begin_window(session, window)
    return Basis(window, meter.Hashes(settings, window, salt), openings, keys)
