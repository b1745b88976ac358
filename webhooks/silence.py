"""The dead man's alarm: where readers pay and no webhook comes, somebody must hear the silence.

Nights say nothing, and a paper with nobody to hear from is not silent; so hours are counted by day,
while there is something live at Stripe that would make it speak. And who was away listens twice:
after an outage of ours Stripe needs a while to say again what we missed.
"""

from datetime import datetime, time, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.clock import LONDON, accounting_day
from billing.context import Context
from billing.models import (
    Checkout,
    CheckoutStatus,
    Cursor,
    Feed,
    StripeEvent,
    Subscription,
    SubscriptionStatus,
)
from webhooks.poll import LIST_READ

_MORNING: Final = time(8)
_NIGHT: Final = time(22)
_LIVE: Final = tuple(status for status in SubscriptionStatus if status.live)
_SILENT: Final = "silence"  # since when nobody had spoken, when it was last too long
_LATELY: Final = timedelta(hours=1)
_LONG_AGO: Final = timedelta(days=14)  # as far as hours are counted

_log = structlog.get_logger(__name__)


def listen(context: Context) -> timedelta:
    """Raise the alarm, once a day, when no webhook has come for too many hours of daytime.

    The second time in a row that it is so silent, that is.

    Returns:
        For how long by day nobody has spoken; nothing while there is nobody to speak.
    """
    now = context.clock.now()
    with context.db.reading() as session:
        since = _spoken_to_last(session)
        found = _found_instead(session, since) if since else 0
    if since is None:
        return timedelta()
    silent = daytime_between(max(since, now - _LONG_AGO), now)
    if silent >= timedelta(hours=context.settings.alarms.silent_hours):
        with context.db.unit_of_work() as session:
            before = session.get(Cursor, _SILENT)
            still = before is not None and before.at == since
            session.merge(Cursor(name=_SILENT, at=since))
        if still:
            _alarm(context, since, found=found, now=now)
    return silent


def daytime_between(begin: datetime, end: datetime) -> timedelta:
    """Return how much of the time between two instants is day in London, 8:00 to 22:00."""
    total, day = timedelta(), begin.astimezone(LONDON).date()
    while day <= end.astimezone(LONDON).date():
        opens = datetime.combine(day, _MORNING, LONDON)
        closes = datetime.combine(day, _NIGHT, LONDON)
        total += max(min(closes, end) - max(opens, begin), timedelta())
        day += timedelta(days=1)
    return total


def _spoken_to_last(session: Session) -> datetime | None:
    """Return when a webhook last came, or else since when one should; None where none need come."""
    open_checkout = sa.select(sa.func.min(Checkout.created_at)).where(
        Checkout.status == CheckoutStatus.OPEN
    )
    live = sa.select(sa.func.min(Subscription.started_at)).where(Subscription.status.in_(_LIVE))
    alive = [each for each in map(session.scalar, (open_checkout, live)) if each is not None]
    if not alive:
        return None
    heard = sa.select(sa.func.max(StripeEvent.received_at)).where(StripeEvent.feed == Feed.WEBHOOK)
    return max(filter(None, (session.scalar(heard), min(alive))))


def _found_instead(session: Session, since: datetime) -> int:
    """Count the events we found in Stripe's own list meanwhile."""
    found = sa.select(sa.func.count()).where(
        StripeEvent.feed == Feed.EVENTS, StripeEvent.received_at > since
    )
    return session.scalar(found) or 0


def _alarm(context: Context, since: datetime, *, found: int, now: datetime) -> None:
    _log.error("no webhook comes", since=since.isoformat(), found_in_the_list=found)
    last = since.astimezone(LONDON)
    with context.db.unit_of_work() as session:
        read = session.get(Cursor, LIST_READ)
        is_read = read is not None and now - read.at < _LATELY
        tasks.raise_task(
            session,
            "no-webhook-comes",
            subject=accounting_day(now).isoformat(),
            detail=f"No webhook has come from Stripe since {last:%-d %B %Y, %H:%M}, though there"
            " are subscriptions or open checkouts. "
            + (
                "In Stripe's own list of events, which we read every few minutes, we found"
                f" {found} meanwhile."
                if is_read
                else "Stripe's own list of events could not be read either."
            )
            + " Run `billing doctor`: it says whether Stripe still has our address, and what is"
            " wrong with it.",
            now=now,
        )
