"""What was said at Stripe, put into the inbox by hand, and what became of it."""

import json
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import (
    Donation,
    Feed,
    JournalEntry,
    OutboxMessage,
    OwedState,
    Payment,
    StripeEvent,
    Subscription,
)
from billing.money import Money
from tests.support.stripe import LocalStripe
from webhooks import dispatch, event, inbox
from webhooks.record import record, subject_in

Outcome = tuple[str, OwedState, str]


def receive(context: Context, *events: dict[str, Any]) -> None:
    """Store events as Stripe's door stores them."""
    for each in events:
        body = json.dumps(each).encode()
        said = event.read(body)
        with context.db.unit_of_work() as session:
            record(
                session,
                said,
                body=body,
                headers={},
                feed=Feed.WEBHOOK,
                subject=subject_in(said),
                settings=context.settings,
                now=context.clock.now(),
            )


def handle_all(context: Context) -> int:
    return inbox.handle_due(context, most=1000)


def outcomes(context: Context) -> list[Outcome]:
    with context.db.reading() as session:
        rows = session.scalars(sa.select(StripeEvent).order_by(StripeEvent.id))
        return [(row.event_id, row.state, row.outcome) for row in rows]


def the_event(context: Context) -> StripeEvent:
    with context.db.reading() as session:
        return session.scalars(sa.select(StripeEvent)).one()


def the_row(context: Context, event_id: str) -> StripeEvent:
    with context.db.reading() as session:
        return session.scalars(sa.select(StripeEvent).where(StripeEvent.event_id == event_id)).one()


def make_due(context: Context) -> None:
    """Let the wait before the next attempt be over."""
    with context.db.unit_of_work() as session:
        session.execute(
            sa.update(StripeEvent).values(run_at=context.clock.now() - timedelta(seconds=1))
        )


def give(context: Context, stripe: LocalStripe) -> None:
    """Give £25 on Stripe's page; nobody comes back to ours."""
    started = checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="127.0.0.1",
    )
    stripe.pay(started.url)


def subscribe(context: Context, stripe: LocalStripe) -> None:
    """Subscribe on Stripe's page; nobody comes back to ours."""
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)


def said(stripe: LocalStripe) -> list[dict[str, Any]]:
    """Return every event Stripe has, oldest first."""
    found = stripe.client.v1.events.list({"limit": 100}).auto_paging_iter()
    return [json.loads(str(each)) for each in found][::-1]


def of_the_gift(stripe: LocalStripe) -> list[dict[str, Any]]:
    """Return what bears on a gift of all Stripe has said; what is on sale does not."""
    catalogue = ("price.", "product.")
    acted_on = [each for each in said(stripe) if each["type"] in dispatch.TYPES]
    return [each for each in acted_on if not each["type"].startswith(catalogue)]


def effects(context: Context) -> dict[str, list[Any]]:
    """Return what we hold after everything, without what differs from one run to the next."""
    with context.db.reading() as session:
        return {
            "donations": list(session.scalars(sa.select(Donation.amount))),
            "payments": [tuple(r) for r in session.execute(
                sa.select(Payment.status, Payment.amount).order_by(Payment.amount))],
            "subscriptions": list(session.scalars(sa.select(Subscription.status))),
            "mail": sorted(session.scalars(sa.select(OutboxMessage.kind))),
            "entries": sorted(session.scalars(sa.select(JournalEntry.source_kind))),
        }  # fmt: skip
