"""Write what Stripe says of one subscription, and act on what changed.

Everything here is worked out from the state just read, so what we end up with does not depend on
which events arrived, how often, or in which order. A subscription that has ended stays ended.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import readers
from billing.access.entitlements import follow_subscription
from billing.catalogue.data import Catalogue
from billing.catalogue.prices import find_price
from billing.clock import accounting_day
from billing.errors import UnknownReaderError
from billing.models import Price, Subscription, SubscriptionStatus
from billing.notices import Notice, SubscriptionEnded, SubscriptionEnding
from billing.outbox import owe
from billing.payments import link_customer, reader_of
from billing.payments.customers import checkout_of
from billing.queue import Fence
from billing.settings import Paywall
from billing.stripe_gateway.client import APP
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.address import reader_address
from billing.tasks import raise_task


def apply(
    session: Session,
    theirs: StripeSubscription,
    *,
    catalogue: Catalogue,
    paywall: Paywall,
    fence: Fence,
    now: datetime,
) -> Subscription | None:
    """Write what Stripe says of one subscription. Applying the same state twice changes nothing.

    Returns:
        The subscription; None where it is not ours, or its price is none we know.

    Raises:
        StaleReadError: somebody has looked since; their answer is newer than ours.
        UnknownReaderError: it is ours, but we know no reader for it.

    Source: https://docs.stripe.com/webhooks#event-ordering
    """
    fence.check(session)
    ours = _ours(session, theirs.id)
    if ours is not None and ours.status.ended:
        return ours
    price = find_price(session, theirs.price_id)
    if price is None:
        _ask_about_price(session, theirs, known=ours is not None, now=now)
        if ours is None:
            return None
    begins = ours is None
    if ours is None and price is not None:
        ours = _begin(session, theirs, price, now)
    if ours is None:
        return None
    was_ending = ours.ends_on is not None
    _mirror(ours, theirs, price)
    session.add(ours)
    session.flush()
    if begins:
        _refuse_second(session, ours, now)
    follow_subscription(session, ours, paywall=paywall, now=now)
    _tell(session, ours, theirs, was_ending=was_ending, catalogue=catalogue, now=now)
    return ours


def _ours(session: Session, stripe_subscription_id: str) -> Subscription | None:
    """Find the mirror, and hold whoever it belongs to by now."""
    ours = session.scalar(
        sa.select(Subscription).where(Subscription.stripe_subscription_id == stripe_subscription_id)
    )
    if ours is not None:
        reader = readers.hold(session, ours.reader_id)
        ours.reader_id = reader.id if reader else ours.reader_id
    return ours


def _begin(
    session: Session, theirs: StripeSubscription, price: Price, now: datetime
) -> Subscription | None:
    """Start the mirror of a subscription we have not seen, and learn whose customer it is."""
    reader_id = reader_of(session, theirs.customer_id, theirs.metadata)
    if reader_id is None:
        if theirs.metadata.get("app") != APP:
            _ask_whose(session, theirs, now)
            return None
        raise UnknownReaderError(f"no reader for {theirs.id} of {theirs.customer_id}")
    link_customer(session, theirs.customer_id, reader_id, now=now)
    return Subscription(
        reader_id=reader_id,
        stripe_subscription_id=theirs.id,
        checkout_id=checkout_of(session, theirs.metadata),
        status=theirs.status,
        plan=price.plan,
        started_at=theirs.started,
        paid_until=theirs.started,
    )


def _ask_whose(session: Session, theirs: StripeSubscription, now: datetime) -> None:
    """Somebody pays our price without our marks: made by hand at Stripe, and no reader has it."""
    raise_task(
        session,
        "subscription-without-reader",
        subject=theirs.id,
        detail=f"{theirs.customer_id} pays for {theirs.id} at one of our prices, but it was not"
        " bought here and opens nothing. Find the reader, or end and refund it at Stripe.",
        now=now,
    )


def _refuse_second(session: Session, ours: Subscription, now: datetime) -> None:
    """Ask the staff to look where a reader has bought the same plan twice."""
    others = session.scalars(
        sa.select(Subscription).where(
            Subscription.reader_id == ours.reader_id,
            Subscription.plan == ours.plan,
            Subscription.id != ours.id,
        )
    )
    doubled = [other.stripe_subscription_id for other in others if other.status.live]
    if doubled and ours.status.live:
        raise_task(
            session,
            "second-subscription",
            subject=ours.stripe_subscription_id,
            detail=f"The reader already pays for this plan: {', '.join(doubled)}. Refund one.",
            now=now,
        )


def _mirror(ours: Subscription, theirs: StripeSubscription, price: Price | None) -> None:
    """Copy Stripe's state. A word Stripe has newly invented changes nothing but the status."""
    overdue = ours.past_due_since
    ours.status = theirs.status
    if price is not None:
        ours.plan = price.plan
    ours.stripe_price_id = theirs.price_id
    ours.amount, ours.currency, ours.interval = theirs.amount, theirs.currency, theirs.interval
    ours.started_at = theirs.started
    ours.ends_on, ours.ended_at = theirs.ends_on, theirs.ended_at
    if theirs.status is not SubscriptionStatus.UNKNOWN:
        ours.past_due_since = None
    match theirs.status:
        case SubscriptionStatus.ACTIVE | SubscriptionStatus.TRIALING:
            ours.paid_until = theirs.period_ends
        case SubscriptionStatus.PAST_DUE | SubscriptionStatus.UNPAID:
            # Stripe has moved on to the period it could not take the money for, and may move on
            # again and again while nothing is paid: the first of them counts.
            since = theirs.period_starts
            ours.paid_until = ours.past_due_since = min(overdue or since, since)
        case SubscriptionStatus.CANCELED if theirs.ended_at:
            ours.paid_until = min(ours.paid_until, theirs.ended_at)
        case _:
            pass


def _tell(
    session: Session,
    ours: Subscription,
    theirs: StripeSubscription,
    *,
    was_ending: bool,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Owe the reader a mail for an end that was asked for, and for the end itself."""
    plan = catalogue.plan(ours.plan).name
    notice: Notice | None = None
    fact = ""
    if ours.status is SubscriptionStatus.CANCELED:
        ended = accounting_day(theirs.ended_at or now)
        notice = SubscriptionEnded(plan=plan, ended_on=ended, unpaid=theirs.ended_unpaid)
        fact = f"ended:{theirs.id}"
    elif theirs.ends_on is not None and not was_ending:
        asked = int((theirs.canceled_at or theirs.ends_on).timestamp())
        notice = SubscriptionEnding(plan=plan, ends_on=accounting_day(theirs.ends_on))
        fact = f"ending:{theirs.id}:{asked}"
    if notice is not None:
        to = reader_address(session, ours.reader_id)
        owe(session, notice, to=to, fact=fact, now=now, reader_id=ours.reader_id)


def _ask_about_price(
    session: Session, theirs: StripeSubscription, *, known: bool, now: datetime
) -> None:
    """An unknown price on what is ours is a question for the staff, never a default plan."""
    if not known and theirs.metadata.get("app") != APP:
        return
    raise_task(
        session,
        "unknown-price",
        subject=f"{theirs.id}:{theirs.price_id}",
        detail=f"The subscription {theirs.id} has a price we do not know: {theirs.price_id}.",
        now=now,
    )
