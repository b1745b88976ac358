"""Answers of Stripe that are lost on their way, and what became of what was asked."""

import sqlalchemy as sa

from billing.context import Context
from billing.models import Command, CommandState, Task
from tests.support.stripe import LocalStripe

EVERY_TRY = 3  # ours and the SDK's two


def lose_answers(stripe: LocalStripe, *, after_effect: bool, method: str = "POST") -> None:
    """Lose the answer to every try of the next call, done by then or not."""
    stripe.control(
        "fail_next", kind="dropped", method=method, times=EVERY_TRY, after_effect=after_effect
    )


def commands(context: Context) -> list[CommandState]:
    """Return what became of all that was decided, oldest first."""
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Command.state).order_by(Command.created_at)))


def tasks(context: Context) -> list[Task]:
    """Return what the staff were asked."""
    with context.db.reading() as session:
        return list(session.scalars(sa.select(Task)))
