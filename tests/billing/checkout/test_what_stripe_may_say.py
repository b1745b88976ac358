"""Checkouts and subscriptions in states which a good day never shows."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout, subscriptions
from billing.context import Context
from billing.errors import AlreadySubscribedError, StripeUnavailableError
from billing.models import (
    Checkout,
    CheckoutStatus,
    Customer,
    Entitlement,
    OutboxMessage,
    Reader,
    Subscription,
    SubscriptionStatus,
)
from billing.money import Money
from billing.tasks import open_tasks
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe

FAILS_LATER = "4000000000000341"


def start(context: Context, reader_id: UUID | None = None) -> checkout.Started:
    return checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=reader_id, shown={}, caller=""
    )


def subscribe(context: Context, stripe: LocalStripe, card: str = "4242424242424242") -> UUID:
    """Subscribe and settle, and return the reader."""
    started = start(context)
    stripe.pay(started.url, card=card)
    checkout.settle(context, started.url.rsplit("/", 1)[1])
    with context.db.reading() as session:
        return session.scalars(sa.select(Reader.id)).one()


def mirror(context: Context) -> Subscription:
    with context.db.reading() as session:
        return session.scalars(
            sa.select(Subscription).order_by(Subscription.started_at.desc()).limit(1)
        ).one()


def rights(context: Context) -> dict[str, datetime | None]:
    with context.db.reading() as session:
        current = sa.select(Entitlement).where(Entitlement.superseded_at.is_(None))
        return {right.source.value: right.ends_at for right in session.scalars(current)}


def test_a_reader_whose_customer_was_deleted_at_stripe_can_subscribe_again(
    context: Context, stripe: LocalStripe
) -> None:
    reader_id = subscribe(context, stripe)
    with context.db.reading() as session:
        gone = session.scalars(sa.select(Customer.stripe_customer_id)).one()
    stripe.client.v1.customers.delete(gone)
    subscriptions.look_again(context, mirror(context).stripe_subscription_id)
    stripe.advance(days=1)

    again = start(context, reader_id)
    stripe.pay(again.url)
    checkout.settle(context, again.url.rsplit("/", 1)[1])

    assert mirror(context).status is SubscriptionStatus.ACTIVE
    assert mirror(context).reader_id == reader_id
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 2


def test_grace_is_counted_once_however_many_periods_go_by_unpaid(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe, card=FAILS_LATER)
    stripe.control("settings", after_retries=2)  # it stays past due, and its periods go on
    ours = mirror(context)
    for _ in range(3):
        stripe.advance(days=32)
        subscriptions.look_again(context, ours.stripe_subscription_id)

    overdue = mirror(context)
    assert overdue.paid_until == overdue.past_due_since == ours.paid_until
    assert rights(context) == {
        "subscription": ours.paid_until,
        "grace": ours.paid_until + timedelta(days=14),
    }


def test_a_status_we_do_not_know_leaves_access_alone_and_sells_no_second_subscription(
    context: Context, stripe: LocalStripe
) -> None:
    reader_id = subscribe(context, stripe)
    before = rights(context)
    stripe.rewrite(mirror(context).stripe_subscription_id, status="hibernating")
    subscriptions.look_again(context, mirror(context).stripe_subscription_id)

    assert mirror(context).status is SubscriptionStatus.UNKNOWN
    assert rights(context) == before
    with pytest.raises(AlreadySubscribedError):
        start(context, reader_id)


def test_once_a_status_is_known_nobody_is_asked_about_it_any_more(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    ours = mirror(context)
    asked = []
    for status in ("hibernating", "active"):
        stripe.rewrite(ours.stripe_subscription_id, status=status)
        subscriptions.look_again(context, ours.stripe_subscription_id)
        with context.db.reading() as session:
            asked.append([task.kind for task in open_tasks(session)])

    assert asked == [["unknown-subscription-status"], []]


def test_a_subscription_without_items_is_ended_like_any_other(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    ours = mirror(context)
    stripe.client.v1.subscriptions.cancel(ours.stripe_subscription_id)
    stripe.rewrite(ours.stripe_subscription_id, items__data=[])

    subscriptions.look_again(context, ours.stripe_subscription_id)

    assert mirror(context).status is SubscriptionStatus.CANCELED


def test_a_gift_the_bank_refuses_days_later_has_failed(
    context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="192.0.2.1",
    )
    stripe.pay(started.url)
    session_id = started.url.rsplit("/", 1)[1]
    intent = str(stripe.client.v1.checkout.sessions.retrieve(session_id).payment_intent)
    stripe.rewrite(session_id, payment_status="unpaid")

    def status() -> CheckoutStatus:
        checkout.settle(context, session_id)
        with context.db.reading() as session:
            return session.get_one(Checkout, started.checkout_id).status

    stripe.rewrite(intent, status="processing", latest_charge=None)
    assert status() is CheckoutStatus.AWAITING_BANK
    error = {"type": "invalid_request_error", "message": "The bank refused the debit."}
    stripe.rewrite(intent, status="requires_payment_method", last_payment_error=error)
    assert status() is CheckoutStatus.FAILED


def test_a_first_attempt_stripe_refuses_after_all_does_not_keep_a_reader_from_the_next(
    context: Context, stripe: LocalStripe
) -> None:
    sessions = "/v1/checkout/sessions"
    stripe.control("fail_next", method="POST", path_prefix=sessions, status=500, times=3)
    with pytest.raises(StripeUnavailableError):
        start(context)
    with context.db.reading() as session:
        reader_id = session.scalars(sa.select(Reader.id)).one()
    stripe.control("fail_next", method="POST", path_prefix=sessions, status=400)

    started = start(context, reader_id)

    assert started.url


def test_who_hears_of_an_end_is_not_asked_to_put_the_payment_right(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    subscribe(context, stripe, FAILS_LATER)
    said = events(stripe)
    stripe.advance(days=31)
    said += events(stripe)
    stripe.advance(days=20)

    deliver(client, context, {e["id"]: e for e in said + events(stripe)}.values())

    assert mirror(context).status is SubscriptionStatus.CANCELED
    with context.db.reading() as session:
        kinds = session.scalars(sa.select(OutboxMessage.kind).order_by(OutboxMessage.id)).all()
    assert kinds == ["subscription_started", "subscription_ended"]
