"""Rights to read whose subscription we do not have: nothing would ever end or renew them."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.access.entitlements import revoke
from billing.context import Context
from billing.models import Entitlement, EntitlementSource, Subscription

_OF_SUBSCRIPTIONS: Final = (EntitlementSource.SUBSCRIPTION, EntitlementSource.GRACE)


def orphans(session: Session) -> set[str]:
    """Return what such rights name as their source."""
    named = session.scalars(
        sa.select(Entitlement.source_id)
        .where(Entitlement.source.in_(_OF_SUBSCRIPTIONS), Entitlement.superseded_at.is_(None))
        .distinct()
    )
    return set(named) - {str(each) for each in session.scalars(sa.select(Subscription.id))}


def revoke_orphan(context: Context, source_id: str) -> None:
    """End the rights that name this source, if no subscription is behind them."""
    with context.db.unit_of_work() as session:
        if source_id in orphans(session):
            for source in _OF_SUBSCRIPTIONS:
                revoke(session, source=source, source_id=source_id, now=context.clock.now())
