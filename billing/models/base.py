"""What several tables share."""

import enum
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Instant, one_of


def new_id() -> Mapped[UUID]:
    """Return the usual primary key: random, so that it says nothing when seen."""
    return mapped_column(primary_key=True, default=uuid4)


def instant() -> Mapped[datetime]:
    """Return a column for an instant that is always there."""
    return mapped_column(Instant())


def instant_or_none() -> Mapped[datetime | None]:
    """Return a column for an instant that may not have come."""
    return mapped_column(Instant())


class OwedState(enum.StrEnum):
    """Where owed work stands."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    PARKED = "parked"  # gave up; a person sees it, and may replay it


class Owed:
    """Columns of a table whose rows are work we owe; `billing.queue` moves them."""

    state: Mapped[OwedState] = mapped_column(one_of(OwedState), default=OwedState.READY)
    run_at: Mapped[datetime] = mapped_column(Instant())
    leased_until: Mapped[datetime | None] = mapped_column(Instant())
    attempts: Mapped[int] = mapped_column(default=0)
    lost_leases: Mapped[int] = mapped_column(default=0, server_default="0")  # died in hand
    last_error: Mapped[str] = mapped_column(Text, default="")


def short(length: int = 255) -> String:
    """Return a text type of a known length."""
    return String(length)
