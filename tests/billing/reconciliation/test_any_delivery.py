"""Whatever becomes of the deliveries, we end up with what Stripe has."""

import random
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout
from billing.books.ledger import account_balance
from billing.books.totals import fund_total
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.models import (
    BalanceTransaction,
    Checkout,
    CheckoutStatus,
    Donation,
    Entitlement,
    JournalEntry,
    OutboxMessage,
    Payment,
    Refund,
    Subscription,
    SubscriptionStatus,
)
from billing.money import Money
from billing.reconciliation import poll_balance_transactions, poll_unfinished
from billing.stripe_gateway import read
from tests.support.deliveries import deliver, events, work_off
from tests.support.stripe import LocalStripe

FAILS_LATER = "4000000000000341"


def tell_a_story(context: Context, stripe: LocalStripe) -> list[dict[str, Any]]:
    """Two subscribers, one of whom stops paying; two gifts, one given back in two parts.

    Returns:
        Every event of it; Stripe itself lists only those of the last thirty days.
    """
    for card in ("4242424242424242", FAILS_LATER):
        started = checkout.start_subscription(
            context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
        )
        stripe.pay(started.url, card=card, email=f"reader{card[-3:]}@example.org")
    for amount in (25_00, 40_00):
        gift = checkout.start_donation(
            context,
            appeal="95th-anniversary",
            amount=Money(amount),
            reader_id=None,
            shown={},
            caller="192.0.2.1",
        )
        stripe.pay(gift.url, email="giver@example.org")
    charge = next(c for c in stripe.client.v1.charges.list().data if c.amount == 40_00)
    for part in (15_00, 25_00):
        stripe.client.v1.refunds.create({"charge": charge.id, "amount": part})
    said = events(stripe)
    stripe.advance(days=33)
    known = {event["id"] for event in said}
    return said + [event for event in events(stripe) if event["id"] not in known]


def what_we_know(context: Context) -> dict[str, Any]:
    """Everything we hold, without what only says when or under which id we wrote it."""
    with context.db.reading() as session:

        def rows(*columns: Any) -> list[Any]:
            return sorted(
                tuple(str(v) for v in row) for row in session.execute(sa.select(*columns))
            )

        return {
            "subscriptions": rows(
                Subscription.stripe_subscription_id,
                Subscription.status,
                Subscription.paid_until,
                Subscription.past_due_since,
            ),
            "rights": sorted(
                (str(e.source), str(e.starts_at), str(e.ends_at))
                for e in session.scalars(
                    sa.select(Entitlement).where(Entitlement.superseded_at.is_(None))
                )
            ),
            "payments": rows(
                Payment.stripe_payment_intent_id,
                Payment.status,
                Payment.purpose,
                Payment.account_code,
                Payment.refunded_amount,
            ),
            "refunds": rows(Refund.stripe_refund_id, Refund.status, Refund.amount),
            "gifts": rows(Donation.amount, Donation.fund),
            "movements": rows(BalanceTransaction.stripe_balance_transaction_id),
            "entries": rows(JournalEntry.source_kind, JournalEntry.source_id, JournalEntry.day),
            "mails": rows(OutboxMessage.kind, OutboxMessage.fact, OutboxMessage.to_address),
            "checkouts": rows(Checkout.id, Checkout.status),
        }


def expect_the_end_of_the_story(context: Context) -> None:
    with context.db.reading() as session:
        statuses = session.scalars(sa.select(Subscription.status)).all()
        assert sorted(statuses) == [SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE]
        assert fund_total(session, "appeal-95") == 25_00
        assert account_balance(session, "1240") == read.balance(context.gateway)["gbp"]
        assert account_balance(session, "4000") == -3 * 5_49
        assert set(session.scalars(sa.select(Checkout.status))) == {CheckoutStatus.SETTLED}


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_and_doubled_events_end_where_ordered_ones_do(
    context: Context, client: TestClient, stripe: LocalStripe, seed: int
) -> None:
    said = tell_a_story(context, stripe)
    muddled = [event for event in said for _ in range(2)]
    random.Random(seed).shuffle(muddled)  # noqa: S311  # a test, not a secret

    deliver(client, context, muddled)
    once = what_we_know(context)
    expect_the_end_of_the_story(context)

    with context.db.unit_of_work() as session:
        session.execute(sa.text("UPDATE stripe_event SET state = 'ready', attempts = 0"))
    work_off(context)
    assert what_we_know(context) == once


def test_with_every_delivery_dropped_the_polls_bring_what_readers_did(
    context: Context, stripe: LocalStripe
) -> None:
    tell_a_story(context, stripe)

    assert poll_unfinished(context) == 0
    poll_balance_transactions(context)

    expect_the_end_of_the_story(context)
    before = what_we_know(context)
    poll_unfinished(context)
    assert poll_balance_transactions(context) == 0
    assert what_we_know(context) == before


def test_the_return_and_the_webhooks_together_double_nothing(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    checkout.settle_return(
        context,
        checkout_id=started.checkout_id,
        token=return_token(context.settings, started.checkout_id),
        browser=started.browser,
    )
    returned = what_we_know(context)

    deliver(client, context, events(stripe))

    assert what_we_know(context) == returned


def test_an_old_event_never_brings_an_ended_subscription_back(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    deliver(client, context, events(stripe))
    theirs = stripe.client.v1.subscriptions.list().data[0]
    stripe.client.v1.subscriptions.cancel(theirs.id)
    deliver(client, context, events(stripe)[-3:])
    ended = what_we_know(context)
    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription.status)).all() == ["canceled"]
        assert ended["rights"] == [] or ended["rights"][0][2] <= str(context.clock.now())

    with context.db.unit_of_work() as session:
        session.execute(sa.text("UPDATE stripe_event SET state = 'ready', attempts = 0"))
    work_off(context)

    assert what_we_know(context) == ended


def test_foreign_money_is_booked_by_the_rule_and_grants_and_mails_nothing(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    rule = context.catalogue.foreign[0]
    line: Any = {
        "price_data": {"currency": "gbp", "unit_amount": 12_00, "product_data": {"name": "Mug"}},
        "quantity": 1,
    }
    for metadata in ({rule.metadata_key: rule.metadata_value}, {"somebody": "else"}):
        theirs = stripe.client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [line],
                "payment_intent_data": {"metadata": metadata},
                "success_url": "https://shop.example/thanks",
            }
        )
        assert theirs.url
        stripe.pay(theirs.url)

    deliver(client, context, events(stripe))
    stripe.advance(seconds=601)  # what nobody can place may yet turn out to be ours
    assert poll_unfinished(context) == 0

    with context.db.reading() as session:
        assert account_balance(session, rule.account) == -12_00
        assert account_balance(session, "2130") == -12_00
        assert session.scalars(sa.select(OutboxMessage.kind)).all() == []
        assert session.scalars(sa.select(Entitlement.id)).all() == []
