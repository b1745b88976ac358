"""Look at one subscription again, and act on what is seen."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.context import Context
from billing.models import Subscription
from billing.queue import Fence, look
from billing.stripe_gateway import read
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.apply import apply


def look_again(
    context: Context,
    stripe_subscription_id: str,
    *,
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Read a subscription at Stripe and apply it.

    Args:
        context: the process's context.
        stripe_subscription_id: Stripe's id.
        also: written in the same commit as the effects, such as an event's handled mark.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
        UnknownReaderError: it is ours, but we know no reader for it.
    """

    def apply_it(session: Session, theirs: StripeSubscription | None, fence: Fence) -> None:
        if theirs is not None:
            apply(
                session,
                theirs,
                catalogue=context.catalogue,
                paywall=context.settings.paywall,
                fence=fence,
                now=context.clock.now(),
            )
        else:
            fence.check(session)
        also(session)

    look(
        context.db,
        stripe_subscription_id,
        read=lambda: read.subscription(context.gateway, stripe_subscription_id),
        apply=apply_it,
        clock=context.clock,
    )


def known(context: Context, stripe_subscription_id: str) -> bool:
    """Return whether we have a subscription of Stripe's already."""
    with context.db.reading() as session:
        found = session.scalar(
            sa.select(Subscription.id).where(
                Subscription.stripe_subscription_id == stripe_subscription_id
            )
        )
    return found is not None
