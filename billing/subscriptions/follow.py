"""Look at one subscription again, and act on what is seen."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import payments, tasks
from billing.context import Context
from billing.errors import PASSING
from billing.models import Subscription
from billing.queue import Fence, look
from billing.stripe_gateway import read_billing
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.apply import apply, end_gone
from billing.subscriptions.remind import due_for_a_reminder, is_near, is_told

_log = structlog.get_logger(__name__)


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
    told: dict[str, Any] = {"catalogue": context.catalogue, "paywall": context.settings.paywall}

    def apply_it(session: Session, theirs: StripeSubscription | None, fence: Fence) -> None:
        now = context.clock.now()
        if theirs is not None:
            apply(session, theirs, **told, fence=fence, now=now)
        else:
            end_gone(session, stripe_subscription_id, **told, fence=fence, now=now)
        also(session)

    look(
        context.db,
        stripe_subscription_id,
        read=lambda: _read(context, stripe_subscription_id),
        apply=apply_it,
        clock=context.clock,
    )
    with suppress(*PASSING):  # a label for the account page: another look will bring it
        _get_to_know_method(context, stripe_subscription_id)


def _read(context: Context, stripe_subscription_id: str) -> StripeSubscription | None:
    """Read a subscription; where a reminder is near, with what the next invoice asks for."""
    theirs = read_billing.subscription(context.gateway, stripe_subscription_id)
    if theirs is None or context.db.rehearsed:
        return theirs
    now = context.clock.now()
    near = is_near(
        theirs.status, theirs.interval, paid=theirs.period_paid, left=theirs.period_ends - now
    )
    with context.db.reading() as session:
        if not near or is_told(session, stripe_subscription_id, theirs.period_ends):
            return theirs
    amount = read_billing.next_amount(context.gateway, stripe_subscription_id)
    return replace(theirs, next_amount=amount)


def _get_to_know_method(context: Context, stripe_subscription_id: str) -> None:
    """Learn what a subscription is paid from: a banner warns of a card that runs out."""
    with context.db.reading() as session:
        method_id = session.scalar(
            sa.select(Subscription.payment_method_id).where(
                Subscription.stripe_subscription_id == stripe_subscription_id,
                Subscription.ended_at.is_(None),
            )
        )
    if method_id:
        payments.get_to_know_method(context, method_id)


def remind_of_renewals(context: Context) -> int:
    """Look again at what renews soon, so that its reader is reminded though nobody tells us.

    Returns:
        How many could not be looked at; they are tried again the next night.
    """
    missed = 0
    for stripe_subscription_id in due_for_a_reminder(context):
        try:
            look_again(context, stripe_subscription_id)
        except PASSING:
            missed += 1
        except Exception as error:  # noqa: BLE001  # one that is broken keeps no other from its mail
            missed += 1
            _ask_about_reminder(context, stripe_subscription_id, error)
    return missed


def _ask_about_reminder(context: Context, stripe_subscription_id: str, error: Exception) -> None:
    _log.error("could not remind", subscription=stripe_subscription_id, exc_info=error)
    with context.db.unit_of_work() as session:
        tasks.raise_again(
            session,
            "reminder-missed",
            subject=stripe_subscription_id,
            detail=f"{stripe_subscription_id} renews within a fortnight, and its reader could not"
            f" be told ({type(error).__name__}). It is tried again each morning; the law wants"
            " them told three days before, so look at it, or write to them yourself.",
            now=context.clock.now(),
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
