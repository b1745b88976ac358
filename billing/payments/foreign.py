"""What is on our Stripe account and not ours: it is counted, and nothing else.

It never grants access and never sends mail; its money is booked by the catalogue's rule.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from billing.db import insert_ignore
from billing.models import ForeignObject


def count(session: Session, kind: str, object_id: str, *, now: datetime) -> None:
    """Count one object of somebody else's. Counting it again changes nothing.

    Args:
        session: the transaction of the look.
        kind: what it is, in Stripe's word, such as `subscription`.
        object_id: Stripe's id.
        now: when it was seen.
    """
    session.execute(
        insert_ignore(session, ForeignObject).values(object_id=object_id, kind=kind, seen_at=now)
    )
