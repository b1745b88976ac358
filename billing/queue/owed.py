"""One mechanism for owed work: claim it under a lease, then finish, retry or park it.

A worker that dies leaves its lease to run out, and another takes the row. `attempts` is the fence:
a worker that comes back after its lease was lost can no longer write, since the count has moved.
Work in whose hands one worker after another dies is set aside, or it would end every worker.
"""

from datetime import datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.db import changed_one
from billing.errors import StaleReadError
from billing.models import OutboxMessage, OwedState, ReaderLook, StripeEvent

Row = TypeVar("Row", StripeEvent, OutboxMessage, ReaderLook)

LEASE: Final = timedelta(seconds=120)
_LONGEST_WAIT: Final = timedelta(hours=1)
ATTEMPTS_BEFORE_PARKING: Final = 12
LOSSES_BEFORE_PARKING: Final = 3


def claim_due(
    session: Session, table: type[Row], *, now: datetime, most: int = 1, only: int | None = None
) -> list[Row]:
    """Take up to `most` due rows under a lease; rows another worker holds are passed over.

    One whose lease ran out was lost by a worker that died: that is counted, and `is_deadly` tells
    when it is enough.
    """
    due_now = sa.or_(
        sa.and_(table.state == OwedState.READY, table.run_at <= now),
        sa.and_(table.state == OwedState.RUNNING, table.leased_until < now),
    )
    due = sa.select(table.id).where(due_now).order_by(table.run_at, table.id).limit(most)
    if only is not None:
        due = due.where(table.id == only)
    # MATERIALIZED: PostgreSQL may otherwise evaluate the limit more than once.
    picked = (
        due.with_for_update(skip_locked=True)
        .cte("due")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    taken = session.scalars(
        sa.update(table)
        .where(table.id.in_(sa.select(picked.c.id)))
        .values(
            state=OwedState.RUNNING,
            leased_until=now + LEASE,
            attempts=table.attempts + 1,
            lost_leases=table.lost_leases + sa.case((table.state == OwedState.RUNNING, 1), else_=0),
            # Lost again, it waits behind what waits now, and is not the next worker's first.
            run_at=now,
        )
        .returning(table)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return sorted(taken, key=lambda row: (row.run_at, row.id))


def is_deadly(row: Row) -> bool:
    """Return whether so many workers died with a claimed row in hand that it is to be parked."""
    return row.lost_leases >= LOSSES_BEFORE_PARKING


def finish(session: Session, row: Row) -> None:
    """Mark a claimed row done, in the transaction of its effects.

    Raises:
        StaleReadError: the lease ran out and somebody else has the row now.
    """
    _move(session, row, state=OwedState.DONE, leased_until=None, last_error="")


def retry(
    session: Session,
    row: Row,
    *,
    error: str,
    now: datetime,
    attempts: int = ATTEMPTS_BEFORE_PARKING,
) -> bool:
    """Give a claimed row back for later, or park it when it failed `attempts` times.

    Returns:
        Whether it was parked: a person should know.
    """
    if row.attempts >= attempts:
        park(session, row, error=error)
        return True
    # The power is bounded first: no timedelta holds 2 ** 60 seconds.
    wait = min(timedelta(seconds=2 ** min(row.attempts - 1, 12)), _LONGEST_WAIT)
    _move(
        session,
        row,
        state=OwedState.READY,
        leased_until=None,
        run_at=now + wait,
        last_error=_in_short(error),
    )
    return False


def park(session: Session, row: Row, *, error: str) -> None:
    """Stop trying; the row stays, with its reason, until a person replays it."""
    _move(session, row, state=OwedState.PARKED, leased_until=None, last_error=_in_short(error))


def give_back(session: Session, row: Row) -> None:
    """Let go of a claimed row that was not begun: it is due at once, and counts as no failure."""
    _move(session, row, state=OwedState.READY, leased_until=None, attempts=row.attempts - 1)


def replay(
    session: Session,
    table: type[Row],
    which: sa.ColumnElement[bool],
    *,
    now: datetime,
    **also: object,
) -> int:
    """Owe rows again from the start. Always safe: handling one twice changes nothing.

    Args:
        session: a transaction.
        table: of what is owed.
        which: of its rows.
        now: from when they are due.
        also: columns of the table itself, and what they begin with.

    Returns:
        How many.
    """
    owed = session.execute(
        sa.update(table)
        .where(which)
        .values(
            state=OwedState.READY,
            run_at=now,
            leased_until=None,
            attempts=0,
            lost_leases=0,
            last_error="",
            **also,
        )
        .execution_options(synchronize_session=False)
    )
    return owed.rowcount if isinstance(owed, sa.CursorResult) else 0


def _in_short(error: str) -> str:
    """Keep the first line of a reason: on the next ones a database quotes the row it refused."""
    return error.partition("\n")[0][:2000]


def _move(session: Session, row: Row, **values: object) -> None:
    table = type(row)
    still_mine = sa.and_(
        table.id == row.id, table.attempts == row.attempts, table.state == OwedState.RUNNING
    )
    if not changed_one(session, sa.update(table).where(still_mine).values(**values)):
        raise StaleReadError(f"{table.__tablename__} {row.id} was taken over by another worker")
