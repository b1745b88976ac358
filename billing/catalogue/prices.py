"""Finding a price: by its lookup key when somebody buys, by Stripe's id when Stripe speaks of it.

A price Stripe names and we do not know is never taken for another: whoever asks must raise a task.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.errors import UnknownPlanError
from billing.models import Price


def price_on_sale(session: Session, lookup_key: str) -> Price:
    """Return the price now sold under a lookup key.

    Raises:
        UnknownPlanError: nothing is sold under it, or the catalogue has not been pushed.
    """
    found = session.scalar(
        sa.select(Price)
        .where(Price.lookup_key == lookup_key, Price.on_sale)
        .order_by(Price.created_at.desc())
        .limit(1)
    )
    if found is None:
        raise UnknownPlanError(f"no price {lookup_key!r} is on sale at Stripe")
    return found


def find_price(session: Session, stripe_price_id: str) -> Price | None:
    """Return one of our prices, on sale or not; None where it was never ours."""
    return session.get(Price, stripe_price_id)
