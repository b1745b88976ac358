"""Keeping what Stripe says, once: an event has one row, however often and by whatever way it comes.

What is not for us is kept too, and left alone.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from billing import tasks
from billing.db import insert_ignore
from billing.models import OwedState, StripeEvent
from billing.settings import Settings
from webhooks.event import Event


def record(
    session: Session,
    said: Event,
    *,
    body: bytes,
    headers: Mapping[str, str],
    settings: Settings,
    now: datetime,
) -> bool:
    """Store an event as it came, to be handled soon; what is not for us is stored and left alone.

    Returns:
        Whether it is new: Stripe may send an event many times.
    """
    foreign = _foreign(said, settings)
    stored = session.scalar(
        insert_ignore(session, StripeEvent)
        .values(
            # Our own account by its name is still our own: '' keeps an event's one row.
            account="" if said.account == settings.stripe_account else said.account,
            event_id=said.id,
            type=said.type,
            object_id=said.object_id,
            api_version=said.api_version,
            livemode=said.livemode,
            created_at=said.created or now,
            received_at=now,
            headers=dict(headers),
            body=body,
            outcome=f"quarantined: {foreign}" if foreign else "",
            state=OwedState.DONE if foreign else OwedState.READY,
            run_at=now,
            attempts=0,
            last_error="",
        )
        .returning(StripeEvent.id)
    )
    if stored is not None and foreign:
        tasks.raise_task(
            session,
            "quarantined_event",
            subject=foreign,
            detail=f"Stripe sends events which are not for this system: {foreign}. They are kept"
            f" and left alone; the first is {said.id}. Check the endpoint in Stripe's dashboard.",
            now=now,
        )
    return stored is not None


def _foreign(said: Event, settings: Settings) -> str:
    """Say in words why an event is not for us; '' where it is."""
    if said.account not in {"", settings.stripe_account}:
        return f"account {said.account}"
    if said.livemode != settings.live:
        return "live mode" if said.livemode else "test mode"
    return ""
