"""Keeping what Stripe says, once: an event has one row, however often and by whatever way it comes.

What is not for us is kept too, and left alone.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.db import insert_ignore
from billing.models import Feed, OwedState, StripeEvent
from billing.settings import Settings
from webhooks import dispatch
from webhooks.event import Event

_QUARANTINED: Final = "quarantined: "

_log = structlog.get_logger(__name__)


def record(
    session: Session,
    said: Event,
    *,
    body: bytes,
    headers: Mapping[str, str],
    feed: Feed,
    subject: str,
    settings: Settings,
    now: datetime,
) -> bool:
    """Store an event as it came, to be handled soon; what is not for us is stored and left alone.

    `feed` is the way by which we heard of it, `subject` what `subject_in` finds in it.

    Returns:
        Whether it is new: Stripe may send an event many times.
    """
    row = row_of(
        said, body=body, headers=headers, feed=feed, subject=subject, settings=settings, now=now
    )
    return keep(session, row)


def row_of(
    said: Event,
    *,
    body: bytes,
    headers: Mapping[str, str],
    feed: Feed,
    subject: str,
    settings: Settings,
    now: datetime,
) -> dict[str, Any]:
    """Return the row an event is kept as."""
    foreign = _foreign(settings, said)
    return {
        # Our own account by its name is still our own: '' keeps an event's one row.
        "account": "" if said.account == settings.stripe_account else said.account,
        "event_id": said.id,
        "type": said.type,
        "object_id": said.object_id,
        "subject": "" if foreign else subject,
        "feed": feed,
        "api_version": said.api_version,
        "livemode": said.livemode,
        "created_at": said.created or now,
        "received_at": now,
        "headers": dict(headers),
        "body": body,
        "outcome": f"{_QUARANTINED}{foreign}" if foreign else "",
        "state": OwedState.DONE if foreign else OwedState.READY,
        "run_at": now,
        "attempts": 0,
        "lost_leases": 0,
        "last_error": "",
    }


def keep(session: Session, row: Mapping[str, Any]) -> bool:
    """Store an event's row unless it is there, and tell the staff of what is not for us.

    Returns:
        Whether it is new.
    """
    stored = session.scalar(
        insert_ignore(session, StripeEvent).values(**row).returning(StripeEvent.id)
    )
    if stored is not None and is_foreign(row):
        foreign = row["outcome"].removeprefix(_QUARANTINED)
        tasks.raise_task(
            session,
            "quarantined-event",
            subject=foreign,
            detail=f"Stripe sends events which are not for this system: {foreign}. They are kept"
            f" and left alone; the first is {row['event_id']}. Check the endpoint in Stripe's"
            " dashboard.",
            now=row["received_at"],
        )
    return stored is not None


def is_foreign(row: Mapping[str, Any]) -> bool:
    """Tell whether an event's row is only kept, and never acted on."""
    return bool(row["outcome"].startswith(_QUARANTINED))


def subject_in(said: Event) -> str:
    """Return what an event tells us to look at, as kind and id; '' for nothing."""
    try:
        subject = dispatch.subject_of(said)
    except dispatch.IgnoredError:
        return ""
    except Exception as error:  # noqa: BLE001  # a handler's fault is met by the worker, not by Stripe
        _log.error("event not understood", event_id=said.id, type=said.type, exc_info=error)
        return ""
    return f"{subject.kind}:{subject.id}"


def _foreign(settings: Settings, said: Event) -> str:
    """Say in words why an event is not for us; '' where it is."""
    if said.account not in {"", settings.stripe_account}:
        return f"account {said.account}"
    if said.livemode != settings.live:
        return "live mode" if said.livemode else "test mode"
    return ""
