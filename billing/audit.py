"""Who did what, and when. Records are only ever added."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from billing.models import AuditRecord


def record(
    session: Session, *, actor: str, action: str, subject: str, now: datetime, **detail: Any
) -> None:
    """Write down one act, in the transaction of the act."""
    session.add(
        AuditRecord(at=now, actor=actor, action=action, subject=subject, detail=dict(detail))
    )
