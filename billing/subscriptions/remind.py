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
from billing.money import Money
from billing.notices import RenewalComing
from billing.outbox import owe
from billing.payments import paid_from, reader_address

# Long enough to leave at leisure, short enough to be remembered; the key facts say so.
REMINDED_EARLIEST: Final = timedelta(days=14)
REMINDED_LATEST: Final = timedelta(days=3)  # by when it is told, unless it was decided later
_LATEST: Final = timedelta(days=1)  # later than that nobody could act on it
_TRIAL_EARLIEST: Final = timedelta(days=4)  # Stripe announces the end of a trial three days before


_RUNS: Final = (
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.PAST_DUE,
)


def remind(
    session: Session,
    subscription: Subscription,
    *,
    next_amount: int | None,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Owe the reminder of a renewal that comes within fourteen days; once for each period.

    Late is better than never: who took back an end two days before is reminded then. The end of a
    trial is told some three days before.

    Args:
        session: the transaction.
        subscription: our row.
        next_amount: what the next invoice asks for, with credit and what was agreed meanwhile;
            None where Stripe does not say: then it is the price.
        catalogue: for the name of the plan.
        now: the time.
    """
    if not _is_to_be_told(subscription, now) or session.info.get(QUIET):
        return  # what is still to come is told aloud: the next nightly look does so
    renews_at, trial = subscription.runs_until, subscription.status is SubscriptionStatus.TRIALING
    amount = subscription.amount if next_amount is None else next_amount
    notice = RenewalComing(
        plan=catalogue.plan_name(subscription.plan),
        amount=Money(amount, subscription.currency),
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
                Subscription.status.in_(_RUNS),
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
        if _is_to_be_told(each, now)
        and _fact(each.stripe_subscription_id, each.runs_until) not in told
    ]


def is_told(session: Session, stripe_subscription_id: str, renews_at: datetime) -> bool:
    """Whether a renewal was told already."""
    fact = OutboxMessage.fact == _fact(stripe_subscription_id, renews_at)
    return session.scalar(sa.select(OutboxMessage.id).where(fact).limit(1)) is not None


def is_near(status: SubscriptionStatus, interval: Interval, *, paid: bool, left: timedelta) -> bool:
    """Whether what ends its period then is soon paid anew, and somebody may have forgotten it.

    Whoever owes for something beside a period that is paid has its renewal before them too.
    """
    if status is SubscriptionStatus.TRIALING:
        return timedelta() <= left <= _TRIAL_EARLIEST
    runs = status is SubscriptionStatus.ACTIVE or (status is SubscriptionStatus.PAST_DUE and paid)
    return runs and interval is Interval.YEAR and _LATEST <= left <= REMINDED_EARLIEST


def _is_to_be_told(subscription: Subscription, now: datetime) -> bool:
    left, paid = subscription.runs_until - now, subscription.past_due_since is None
    near = is_near(subscription.status, subscription.interval, paid=paid, left=left)
    return near and subscription.renews and not subscription.collection_paused


def _fact(stripe_subscription_id: str, renews_at: datetime) -> str:
    return f"renewal:{stripe_subscription_id}:{int(renews_at.timestamp())}"
