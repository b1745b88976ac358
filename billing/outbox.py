"""Mail owed to people, in the transaction of the fact it tells: one fact, one mail."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from billing.db import QUIET, insert_ignore
from billing.models import OutboxMessage, OwedState
from billing.notices import Notice


def owe(
    session: Session,
    notice: Notice,
    *,
    to: str,
    fact: str,
    now: datetime,
    reader_id: UUID | None = None,
) -> None:
    """Owe one notice to one address. Owing the same fact twice owes it once.

    In a quiet session the fact is kept as told, so that no later look tells it.

    Args:
        session: the transaction of the fact.
        notice: what to say.
        to: the address; '' is somebody without e-mail, and nothing is owed.
        fact: what happened, such as `receipt:pi_123`; unique with the notice's kind.
        now: when it became owed.
        reader_id: whose it is, where we know.
    """
    if not to:
        return
    quiet = session.info.get(QUIET, "")
    session.execute(
        insert_ignore(session, OutboxMessage).values(
            kind=notice.kind,
            fact=fact,
            to_address=to,
            reader_id=reader_id,
            payload=notice.model_dump(mode="json"),
            message_id=uuid4().hex,
            created_at=now,
            state=OwedState.DONE if quiet else OwedState.READY,
            run_at=now,
            attempts=0,
            last_error=f"not sent: {quiet}" if quiet else "",
        )
    )
