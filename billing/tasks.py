"""What the staff must look at: raised once for each subject, closed by a person."""

from datetime import datetime

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
