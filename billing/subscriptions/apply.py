"""Write what Stripe says of one subscription, and act on what changed.

Everything here is worked out from the state just read, so what we end up with does not depend on
which events arrived, how often, or in which order. A subscription that has ended stays ended.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import readers
from billing.access.entitlements import follow_subscription, settle_unknown
from billing.catalogue.data import Catalogue
from billing.catalogue.prices import find_price
from billing.clock import accounting_day, in_words
from billing.errors import UnknownReaderError
from billing.models import Price, Subscription, SubscriptionStatus
from billing.notices import Notice, SubscriptionEnded, SubscriptionEnding
from billing.outbox import owe
from billing.payments import foreign, link_customer, reader_address, reader_of
from billing.payments.customers import checkout_of
from billing.queue import Fence
from billing.settings import Paywall
from billing.stripe_gateway.client import APP
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.mirror import mirror
from billing.subscriptions.remind import remind
from billing.subscriptions.tell import tell_of_debit
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
    price = _price_among(session, theirs)
    if price is None:
        _ask_about_price(session, theirs, known=ours is not None, now=now)
        if ours is None:
            if theirs.metadata.get("app") != APP:
                foreign.count(session, "subscription", theirs.id, payer=theirs.customer_id, now=now)
            return None
    was_live = ours is not None and ours.status.live
    was_unknown = ours is not None and ours.status is SubscriptionStatus.UNKNOWN
    before = ours.ends_on if ours is not None else None
    if ours is None and price is not None:
        ours = _begin(session, theirs, price, now)
    if ours is None:
        return None
    mirror(ours, theirs, price)
    session.add(ours)
    session.flush()
    if ours.status.live and not was_live:
        _ask_about_second(session, ours, now)
    follow_subscription(session, ours, paywall=paywall, now=now)
    if was_unknown and ours.status is not SubscriptionStatus.UNKNOWN:
        settle_unknown(session, ours, now=now)
    _tell(session, ours, theirs, ended_before=before, catalogue=catalogue, now=now)
    tell_of_debit(session, ours, catalogue=catalogue, now=now)
    remind(session, ours, next_amount=theirs.next_amount, catalogue=catalogue, now=now)
    return ours


def end_gone(
    session: Session,
    stripe_subscription_id: str,
    *,
    catalogue: Catalogue,
    paywall: Paywall,
    fence: Fence,
    now: datetime,
) -> None:
    """End what Stripe says it does not have (any more), now and for ever; ask the staff to look.

    Raises:
        StaleReadError: somebody has looked since; their answer is newer than ours.
    """
    fence.check(session)
    ours = _ours(session, stripe_subscription_id)
    if ours is None or ours.status.ended:
        return
    ours.status, ours.ended_at = SubscriptionStatus.CANCELED, now
    ours.paid_until = min(ours.paid_until, now)
    ours.past_due_since = ours.provisional_until = None
    ours.pay_url = ""
    session.flush()
    follow_subscription(session, ours, paywall=paywall, now=now)
    _tell_end(session, ours, unpaid=False, days_left=False, catalogue=catalogue, now=now)
    raise_task(
        session,
        "subscription-gone",
        subject=stripe_subscription_id,
        detail=f"Stripe has no {stripe_subscription_id} (any more), so it has ended here. Nobody"
        " ends one this way on purpose: see whether the reader is owed anything.",
        now=now,
    )


def _price_among(session: Session, theirs: StripeSubscription) -> Price | None:
    """Return the first of our prices among the items; others may stand beside it."""
    found = (find_price(session, price_id) for price_id in theirs.price_ids)
    return next((price for price in found if price is not None), None)


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
            foreign.count(session, "subscription", theirs.id, payer=theirs.customer_id, now=now)
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
        paid_until=theirs.period_starts,
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


def _ask_about_second(session: Session, ours: Subscription, now: datetime) -> None:
    """Ask the staff to look where a reader has the same plan twice, whichever came alive first."""
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


def _tell(
    session: Session,
    ours: Subscription,
    theirs: StripeSubscription,
    *,
    ended_before: datetime | None,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Owe the reader a mail for an end that was asked for or moved, and for the end itself."""
    if ours.status is SubscriptionStatus.CANCELED:
        days_left = theirs.ended_unpaid and theirs.paid_until > ours.paid_until
        if days_left:
            _ask_about_days(session, theirs, now)
        unpaid = theirs.ended_unpaid
        _tell_end(session, ours, unpaid=unpaid, days_left=days_left, catalogue=catalogue, now=now)
    elif theirs.ends_on is not None and theirs.ends_on != ended_before:
        asked = int((theirs.canceled_at or theirs.ends_on).timestamp())
        plan = catalogue.plan_name(ours.plan)
        on_hold = ours.collection_paused or ours.status is SubscriptionStatus.PAUSED
        goes_on = theirs.ends_on > theirs.period_ends > now and not on_hold
        notice = SubscriptionEnding(
            plan=plan,
            ends_on=accounting_day(theirs.ends_on),
            next_payment_on=accounting_day(theirs.period_ends) if goes_on else None,
            asked_for=ours.asked_for,
            on_hold=on_hold,
        )
        fact = f"ending:{theirs.id}:{asked}:{int(theirs.ends_on.timestamp())}"
        _owe(session, ours, notice, fact, now)


def _ask_about_days(session: Session, theirs: StripeSubscription, now: datetime) -> None:
    """Nobody asked for this end: Stripe gave up what was owed beside a period that is paid."""
    raise_task(
        session,
        "ended-with-paid-days",
        subject=theirs.id,
        detail=f"Stripe ended {theirs.id} because something owed beside it was never paid, and the"
        f" reader had paid until {in_words(accounting_day(theirs.paid_until))}. They were told that"
        " a person will write: give back what is left of it, or begin another for them.",
        now=now,
    )


def _tell_end(
    session: Session,
    ours: Subscription,
    *,
    unpaid: bool,
    days_left: bool,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    notice = SubscriptionEnded(
        plan=catalogue.plan_name(ours.plan),
        ended_on=accounting_day(ours.ended_at or now),
        unpaid=unpaid,
        days_left=days_left,
    )
    _owe(session, ours, notice, f"ended:{ours.stripe_subscription_id}", now)


def _owe(session: Session, ours: Subscription, notice: Notice, fact: str, now: datetime) -> None:
    to = reader_address(session, ours.reader_id)
    owe(session, notice, to=to, fact=fact, now=now, reader_id=ours.reader_id)


def _ask_about_price(
    session: Session, theirs: StripeSubscription, *, known: bool, now: datetime
) -> None:
    """An unknown price on what is ours is a question for the staff, never a default plan."""
    if not known and theirs.metadata.get("app") != APP:
        return
    prices = ", ".join(theirs.price_ids)[:200]
    raise_task(
        session,
        "unknown-price",
        subject=f"{theirs.id}:{prices}",
        detail=f"The subscription {theirs.id} has no price that we know: {prices}.",
        now=now,
    )
