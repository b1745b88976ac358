"""What the staff must look at: raised once for each subject, closed by a person or by the facts."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.db import insert_ignore
from billing.models import Task


def raise_task(session: Session, kind: str, *, subject: str, detail: str, now: datetime) -> None:
    """Ask the staff to look at something. Raising the same subject again changes nothing."""
    session.execute(
        insert_ignore(session, Task).values(
            kind=kind, subject=subject, detail=detail, created_at=now
        )
    )


def raise_again(session: Session, kind: str, *, subject: str, detail: str, now: datetime) -> None:
    """Ask the staff to look at something that may change, and may come back after it was closed."""
    raise_task(session, kind, subject=subject, detail=detail, now=now)
    reopened = sa.case((Task.closed_at.is_not(None), now), else_=Task.created_at)
    session.execute(
        sa.update(Task)
        .where(Task.kind == kind, Task.subject == subject)
        .values(closed_at=None, created_at=reopened, detail=detail)
        .execution_options(synchronize_session=False)
    )


def was_raised(session: Session, kind: str, *, subject: str) -> bool:
    """Whether the staff were asked about it before, seen to or not."""
    raised = sa.select(Task.id).where(Task.kind == kind, Task.subject == subject)
    return session.scalar(raised.limit(1)) is not None


def is_open(session: Session, kind: str, *, subject: str) -> bool:
    """Whether the staff are asked about it and have not seen to it."""
    asked = sa.select(Task.id).where(
        Task.kind == kind, Task.subject == subject, Task.closed_at.is_(None)
    )
    return session.scalar(asked.limit(1)) is not None


def settle_tasks(session: Session, *kinds: str, subject: str, now: datetime) -> None:
    """Close what was asked of a subject, since nothing is left to do. Repeats safely."""
    session.execute(
        sa.update(Task)
        .where(Task.kind.in_(kinds), Task.subject == subject, Task.closed_at.is_(None))
        .values(closed_at=now)
        .execution_options(synchronize_session=False)
    )


def open_tasks(session: Session) -> list[Task]:
    """Return what waits for somebody, oldest first."""
    waiting = sa.select(Task).where(Task.closed_at.is_(None)).order_by(Task.created_at, Task.id)
    return list(session.scalars(waiting))


def close_task(session: Session, task_id: int, *, now: datetime) -> Task | None:
    """Mark a task as seen to; None where there is none, or where somebody has closed it."""
    return session.scalar(
        sa.update(Task)
        .where(Task.id == task_id, Task.closed_at.is_(None))
        .values(closed_at=now)
        .returning(Task)
    )
