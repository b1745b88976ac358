"""Reading Stripe's own list of events: what no webhook brought is found here some minutes later.

The list is read with an overlap and every event has one row, so nothing is skipped for coming late
or out of order, and nothing is handled twice. A webhook still on its way is not called missed: an
event is taken up once it was there to be read the time before, and still nobody has brought it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.context import Context
from billing.models import Cursor, Feed, StripeEvent
from billing.reconciliation import rounds
from billing.reconciliation.strange import is_strange
from billing.stripe_gateway.events import Listed, events
from webhooks import dispatch, event
from webhooks.record import record, subject_in

_REACHED: Final = "events"  # the newest event we have read, in Stripe's time: ours may be wrong
LIST_READ: Final = "events-asked"  # when the list was last read to its end, in our time
_OVERLAP: Final = timedelta(minutes=15)  # Stripe's list may be a little behind itself
_ON_ITS_WAY: Final = timedelta(minutes=2)
LISTED_FOR: Final = timedelta(days=30)  # Source: https://docs.stripe.com/api/events

_log = structlog.get_logger(__name__)


def poll_events(context: Context) -> int:
    """Store every event we act on that Stripe lists and nobody has brought. Repeats safely.

    Returns:
        How many there were.

    Raises:
        StripeUnavailableError: try again later; what was read is kept, and will be read again.
    """
    if is_strange(context):
        return 0
    now = context.clock.now()
    with context.db.reading() as session:
        reached, asked = session.get(Cursor, _REACHED), session.get(Cursor, LIST_READ)
    if asked is not None and now - asked.at > LISTED_FOR:
        _make_up_for_what_is_lost(context, asked.at, now)
    since = reached.at - _OVERLAP if reached else None
    newest, missed = since, 0
    until = min(now, asked.at if asked else now) - _ON_ITS_WAY
    for page in events(context.gateway, since=since, until=until):
        with context.db.unit_of_work() as session:
            missed += sum(
                [_keep(context, session, one, now=now) for one in _unheard(session, page)]
            )
        newest = max([one.created for one in page] + ([newest] if newest else []), default=None)
    with context.db.unit_of_work() as session:
        session.merge(Cursor(name=LIST_READ, at=now))
        if newest is not None and (reached is None or newest > reached.at):
            session.merge(Cursor(name=_REACHED, at=newest))
    if missed:
        _log.warning("events no webhook brought", missed=missed)
    return missed


def _unheard(session: Session, page: Sequence[Listed]) -> list[Listed]:
    ids = [one.id for one in page]
    known = session.scalars(sa.select(StripeEvent.event_id).where(StripeEvent.event_id.in_(ids)))
    heard = set(known)
    return [one for one in page if one.id not in heard]


def _keep(context: Context, session: Session, listed: Listed, *, now: datetime) -> bool:
    """Store one event as it was written; one that cannot be read is a question for staff."""
    try:
        said = event.read(listed.body)
    except event.MalformedError as error:
        _log.error("event unreadable", event_id=listed.id, reason=str(error))
        tasks.raise_task(
            session,
            "unreadable-event",
            subject=listed.id,
            detail=f"Stripe lists {listed.id}, which cannot be read ({error}). Look at what it is"
            " about in Stripe's dashboard.",
            now=now,
        )
        return False
    if said.type not in dispatch.HANDLERS:  # our endpoint is not sent it, so no webhook missed it
        return False
    return record(
        session,
        said,
        body=listed.body,
        headers={},
        feed=Feed.EVENTS,
        subject=subject_in(said),
        settings=context.settings,
        now=now,
    )


def _make_up_for_what_is_lost(context: Context, since: datetime, now: datetime) -> None:
    """Tell everybody that events are lost for good, and have everything compared instead; once."""
    subject = f"events:{since.date().isoformat()}"
    with context.db.unit_of_work() as session:
        if tasks.was_raised(session, "long-gap", subject=subject):
            return  # the list still cannot be read to its end; comparing again would not help
        _log.error("events lost", since=since.isoformat())
        tasks.raise_task(
            session,
            "long-gap",
            subject=subject,
            detail=f"Stripe's list of events was last read on {since:%d %B %Y} and goes back thirty"
            " days: what was said before that is lost. Everything is compared with Stripe instead.",
            now=now,
        )
        rounds.note_gap(session, now=now)
