"""A subscription through the months: renewed, failing, given up, ended."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout
from billing.context import Context
from billing.models import Entitlement, OutboxMessage, Price, Subscription, SubscriptionStatus, Task
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe

FAILS_LATER = "4000000000000341"


def subscribe(context: Context, client: TestClient, stripe: LocalStripe, card: str) -> Subscription:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url, card=card, email="gwen@example.org")
    deliver(client, context, events(stripe))
    return mirror(context)


def mirror(context: Context) -> Subscription:
    with context.db.reading() as session:
        return session.scalars(sa.select(Subscription)).one()


def mails(context: Context) -> list[str]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(OutboxMessage.kind).order_by(OutboxMessage.id)))


def rights(context: Context) -> dict[str, Entitlement]:
    with context.db.reading() as session:
        current = sa.select(Entitlement).where(Entitlement.superseded_at.is_(None))
        return {right.source.value: right for right in session.scalars(current)}


def pass_days(context: Context, client: TestClient, stripe: LocalStripe, days: int) -> None:
    for _ in range(days):
        stripe.advance(days=1)
        deliver(client, context, events(stripe)[-40:])


@pytest.mark.slow
def test_a_renewal_extends_access_and_sends_a_receipt(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    first = subscribe(context, client, stripe, "4242424242424242")

    pass_days(context, client, stripe, 32)

    renewed = mirror(context)
    assert renewed.paid_until > first.paid_until
    right = rights(context)["subscription"]
    assert (right.starts_at, right.ends_at) == (
        first.started_at,
        renewed.paid_until + timedelta(hours=24),
    )
    assert mails(context) == ["subscription_started", "payment_receipt"]


@pytest.mark.slow
def test_a_failing_renewal_leaves_grace_and_says_so_and_then_the_subscription_ends(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    first = subscribe(context, client, stripe, FAILS_LATER)

    pass_days(context, client, stripe, 33)

    failing = mirror(context)
    assert failing.status is SubscriptionStatus.PAST_DUE
    assert failing.paid_until == failing.past_due_since == first.paid_until
    grace = rights(context)["grace"]
    assert (grace.starts_at, grace.ends_at) == (
        first.paid_until,
        first.paid_until + timedelta(days=14),
    )
    assert mails(context).count("payment_failed") >= 1

    pass_days(context, client, stripe, 20)

    over = mirror(context)
    assert over.status is SubscriptionStatus.CANCELED
    assert all(
        (r.ends_at or context.clock.now()) <= context.clock.now() for r in rights(context).values()
    )
    assert mails(context).count("subscription_ended") == 1
    with context.db.reading() as session:
        ended = session.scalars(
            sa.select(OutboxMessage).where(OutboxMessage.kind == "subscription_ended")
        ).one()
        assert ended.payload["unpaid"] is True


def test_access_ends_at_once_when_stripe_cancels_at_once(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    first = subscribe(context, client, stripe, "4242424242424242")
    stripe.advance(days=3)

    stripe.client.v1.subscriptions.cancel(first.stripe_subscription_id)
    deliver(client, context, events(stripe)[-3:])

    over = mirror(context)
    assert over.status is SubscriptionStatus.CANCELED
    assert over.ended_at is not None
    assert rights(context)["subscription"].ends_at == over.ended_at
    assert mails(context) == ["subscription_started", "subscription_ended"]


def test_a_price_we_do_not_know_is_a_question_for_staff_and_never_a_default_plan(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Price))
    stripe.pay(started.url)

    deliver(client, context, events(stripe))

    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription)).all() == []
        assert session.scalars(sa.select(Entitlement)).all() == []
        assert "unknown-price" in set(session.scalars(sa.select(Task.kind)))


def test_a_subscription_made_by_hand_at_our_price_opens_nothing_and_staff_are_asked_whose_it_is(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    with context.db.reading() as session:
        price = session.scalars(
            sa.select(Price.stripe_price_id).where(Price.lookup_key == "digital-month-standard")
        ).one()
    by_hand = stripe.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "https://elsewhere.example/",
        }
    )
    stripe.pay(by_hand.url or "")

    deliver(client, context, events(stripe))

    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription)).all() == []
        assert session.scalars(sa.select(Entitlement)).all() == []
        assert session.scalars(sa.select(Task.kind)).all() == ["subscription-without-reader"]
