"""Mail that is owed, and what became of it."""

from collections.abc import Callable
from datetime import date

import sqlalchemy as sa

from billing.context import Context
from billing.models import OutboxMessage, Task
from billing.notices import SubscriptionEnding

Owed = Callable[..., None]
ENDING = SubscriptionEnding(plan="Digital", ends_on=date(2026, 12, 23))


def row(context: Context) -> OutboxMessage:
    with context.db.reading() as session:
        return session.scalars(sa.select(OutboxMessage)).one()


def tasks(context: Context) -> list[tuple[str, str]]:
    with context.db.reading() as session:
        return [(task.kind, task.detail) for task in session.scalars(sa.select(Task))]
