"""What is on our Stripe account and not ours: it is counted, and nothing else.

It never grants access and never sends mail; its money is booked by the catalogue's rule.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from billing.db import insert_ignore
from billing.models import Customer, ForeignObject


def count(session: Session, kind: str, object_id: str, *, payer: str = "", now: datetime) -> None:
    """Count one object of somebody else's. Counting it again changes nothing.

    Args:
        session: the transaction of the look.
        kind: what it is, in Stripe's word, such as `subscription`.
        object_id: Stripe's id.
        payer: the customer who pays for it, where there is one: as little ours, unless we know
            them. Nothing on a customer says whose they are; what they pay for does.
        now: when it was seen.
    """
    strange = {object_id: kind}
    if payer and session.get(Customer, payer) is None:
        strange[payer] = "customer"
    for each, what in strange.items():
        session.execute(
            insert_ignore(session, ForeignObject).values(object_id=each, kind=what, seen_at=now)
        )


def is_foreign(session: Session, object_id: str) -> bool:
    """Return whether an object was seen to be somebody else's."""
    return session.get(ForeignObject, object_id) is not None
