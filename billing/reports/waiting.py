"""What waits for a person: tasks, work that was given up, and money the books have not seen yet."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.models import (
    OutboxMessage,
    OwedState,
    Payment,
    PaymentStatus,
    StripeEvent,
    Task,
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of each wait.

    Attributes:
        tasks: open staff tasks.
        events: things Stripe said that could not be handled.
        mails: mails that could not be sent.
        unposted: payments that arrived, of whose fee Stripe has told nothing yet.
    """

    tasks: int
    events: int
    mails: int
    unposted: int


def waiting(session: Session) -> Waiting:
    """Count what waits for a person."""
    return Waiting(
        tasks=_count(session, Task.closed_at.is_(None)),
        events=_count(session, StripeEvent.state == OwedState.PARKED),
        mails=_count(session, OutboxMessage.state == OwedState.PARKED),
        unposted=_count(
            session,
            sa.and_(
                Payment.status == PaymentStatus.SUCCEEDED, Payment.balance_transaction_id == ""
            ),
        ),
    )


def _count(session: Session, condition: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count()).where(condition)) or 0
