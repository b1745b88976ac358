"""The reminder before a yearly renewal or the end of a trial: one for each period.

Stripe says that an invoice is coming, and our own nightly look does not need to be told: both end
in `remind`, which owes the mail whenever a look finds a renewal between the two days.

Source: https://www.legislation.gov.uk/ukpga/2024/13/section/258
"""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue
from billing.clock import accounting_day
from billing.context import Context
from billing.db import QUIET
from billing.models import Interval, OutboxMessage, Subscription, SubscriptionStatus
from billing.notices import RenewalComing
from billing.outbox import owe
from billing.payments import paid_from, reader_address

# Long enough to leave at leisure, short enough to be remembered; the key facts say so.
REMINDED_EARLIEST: Final = timedelta(days=14)
REMINDED_LATEST: Final = timedelta(days=3)


def remind(
    session: Session, subscription: Subscription, *, catalogue: Catalogue, now: datetime
) -> None:
    """Owe the reminder of a renewal that comes in three to fourteen days; once for each period.

    A trial may be shorter than that: the end of one is told however soon it comes.
    """
    if not _renews(subscription) or session.info.get(QUIET):
        return  # what is still to come is told aloud: the next nightly look does so
    renews_at, trial = subscription.runs_until, subscription.status is SubscriptionStatus.TRIALING
    if not (timedelta() if trial else REMINDED_LATEST) <= renews_at - now <= REMINDED_EARLIEST:
        return
    notice = RenewalComing(
        plan=catalogue.plan_name(subscription.plan),
        amount=subscription.money,
        interval=subscription.interval.value,
        renews_on=accounting_day(renews_at),
        method=paid_from(session, subscription, today=accounting_day(now)).label,
        trial=trial,
    )
    to = reader_address(session, subscription.reader_id)
    fact = _fact(subscription.stripe_subscription_id, renews_at)
    owe(session, notice, to=to, fact=fact, now=now, reader_id=subscription.reader_id)


def due_for_a_reminder(context: Context) -> list[str]:
    """Return Stripe's ids of the subscriptions whose renewal is near and not yet told."""
    now = context.clock.now()
    renews_at = sa.func.coalesce(Subscription.provisional_until, Subscription.paid_until)
    with context.db.reading() as session:
        near = session.scalars(
            sa.select(Subscription).where(
                Subscription.status.in_((SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)),
                renews_at.between(now, now + REMINDED_EARLIEST),
            )
        ).all()
        told = set(
            session.scalars(
                sa.select(OutboxMessage.fact).where(
                    OutboxMessage.kind == RenewalComing.kind,
                    OutboxMessage.created_at > now - 2 * REMINDED_EARLIEST,
                )
            )
        )
    return [
        each.stripe_subscription_id
        for each in near
        if _renews(each) and _fact(each.stripe_subscription_id, each.runs_until) not in told
    ]


def _renews(subscription: Subscription) -> bool:
    """Whether it will be paid again by itself, after so long that somebody may have forgotten."""
    trial = subscription.status is SubscriptionStatus.TRIALING
    yearly = subscription.status is SubscriptionStatus.ACTIVE and (
        subscription.interval is Interval.YEAR
    )
    return (trial or yearly) and subscription.renews and not subscription.collection_paused


def _fact(stripe_subscription_id: str, renews_at: datetime) -> str:
    return f"renewal:{stripe_subscription_id}:{int(renews_at.timestamp())}"
