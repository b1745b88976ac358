"""An account that had a life before us is taken over whole, quietly and once."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing.books.ledger import account_balance
from billing.catalogue.data import AdoptedPrice
from billing.context import Context
from billing.models import (
    Customer,
    Entitlement,
    JournalEntry,
    OutboxMessage,
    OwedState,
    Payment,
    Price,
    Reader,
    Receipt,
    Subscription,
)
from billing.reconciliation import poll_balance_transactions
from billing.reconciliation.adopt import adopt, survey
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.rounds import nightly
from billing.reconciliation.verify import verify
from billing.stripe_gateway import read
from billing.subscriptions import remind_of_renewals
from billing.tasks import open_tasks
from tests.support.deliveries import deliver, events
from tests.support.reconciling import committed_writes
from tests.support.stripe import LocalStripe

FAILS_LATER = "4000000000000341"
KINDS = ("monthly", "yearly", "ending", "failing", "old price")


def price_named(context: Context, lookup_key: str) -> str:
    with context.db.reading() as session:
        return session.scalars(
            sa.select(Price.stripe_price_id).where(Price.lookup_key == lookup_key, Price.on_sale)
        ).one()


def bought(stripe: LocalStripe, price: str, email: str, card: str = "4242424242424242") -> str:
    """Somebody subscribes as they did before there was any of us; return the subscription's id."""
    session = stripe.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "https://old.example/thanks",
        }
    )
    assert session.url
    stripe.pay(session.url, card=card, email=email)
    return stripe.client.v1.subscriptions.list({"limit": 1}).data[0].id


def old_price(stripe: LocalStripe, amount: int) -> str:
    product = stripe.client.v1.products.create({"name": "The paper of old"})
    recurring: Any = {"interval": "month"}
    return stripe.client.v1.prices.create(
        {"product": product.id, "currency": "gbp", "unit_amount": amount, "recurring": recurring}
    ).id


def an_old_account(context: Context, stripe: LocalStripe, *, of_each: int) -> Context:
    """Make an account with customers of every kind, a shop's, and one at a price nobody knows."""
    mapped = old_price(stripe, 4_00)
    prices = {
        "yearly": price_named(context, "digital-year-standard"),
        "old price": mapped,
    }
    monthly = price_named(context, "digital-month-standard")
    for number in range(of_each):
        for kind in KINDS:
            card = FAILS_LATER if kind == "failing" else "4242424242424242"
            address = f"{kind.replace(' ', '-')}{number}@example.org"
            bought(stripe, prices.get(kind, monthly), address, card)
    bought(stripe, old_price(stripe, 99_00), "unmapped@example.org")
    line: Any = {
        "price_data": {"currency": "gbp", "unit_amount": 12_00, "product_data": {"name": "Mug"}},
        "quantity": 1,
    }
    mug = stripe.client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [line], "success_url": "https://shop.example/thanks"}
    )
    assert mug.url
    stripe.pay(mug.url, email="shopper@example.org")
    stripe.advance(days=33)
    for theirs in stripe.client.v1.subscriptions.list({"limit": 100}).auto_paging_iter():
        customer = stripe.client.v1.customers.retrieve(str(theirs.customer))
        if (customer.email or "").startswith("ending"):
            stripe.client.v1.subscriptions.update(theirs.id, {"cancel_at_period_end": True})
    stripe.advance(seconds=700)
    mapping = AdoptedPrice(stripe_price=mapped, plan="digital", band="standard")
    catalogue = context.catalogue.model_copy(update={"adopted_prices": (mapping,)})
    return replace(context, catalogue=catalogue)


def one(context: Context, what: sa.Select[Any]) -> Any:
    with context.db.reading() as session:
        return session.scalar(what)


def count(context: Context, column: Any, *where: Any) -> int:
    return int(one(context, sa.select(sa.func.count(column)).where(*where)))


def open_questions(context: Context) -> list[str]:
    with context.db.reading() as session:
        return [task.kind for task in open_tasks(session)]


def expect_the_balance(context: Context) -> None:
    with context.db.reading() as session:
        assert account_balance(session, "1240") == read.balance(context.gateway)["gbp"]


@pytest.mark.parametrize("of_each", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_an_old_account_is_adopted_whole_and_nobody_is_told_what_is_long_past(
    context: Context, client: TestClient, stripe: LocalStripe, of_each: int
) -> None:
    context = an_old_account(context, stripe, of_each=of_each)
    assert nightly(context).exit_code == 2  # not before somebody says so
    poll_balance_transactions(context)
    assert open_questions(context) == ["adopt-first"]

    with committed_writes(context.db) as written:
        found = survey(context)

    assert written == []
    ours = of_each * len(KINDS)
    assert (len(found.people), len(found.ours)) == (ours, ours)
    assert found.subscriptions == {"active": ours - of_each, "past_due": of_each}
    reasons = sorted(found.unmapped.values())
    assert [reason.partition(": ")[2] or reason for reason in reasons] == [
        "none of our prices",
        "never had a subscription at one of our prices",
    ]

    adopt(context, found, actor="test")

    assert (found.failed, found.disagreements) == ({}, [])
    assert open_questions(context) == []
    expect_the_balance(context)
    assert count(context, Customer.stripe_customer_id) == ours
    assert count(context, Reader.id, Reader.email_verified_at.is_not(None)) == 0
    assert count(context, Reader.id, Reader.email.like("ending%")) == of_each
    assert count(context, Subscription.id, Subscription.ends_on.is_not(None)) == of_each
    assert count(context, Entitlement.id, Entitlement.superseded_at.is_(None)) >= ours
    assert count(context, OutboxMessage.id, OutboxMessage.state != OwedState.DONE) == 0
    assert count(context, OutboxMessage.id, OutboxMessage.last_error != "not sent: adopted") == 0
    assert count(context, Receipt.number) == 0
    with context.db.reading() as session:
        assert session.scalars(sa.select(JournalEntry.source_kind)).all() == ["opening"]

    again = survey(context)
    with committed_writes(context.db) as written:
        adopt(context, again, actor="test")
    changed = {sql.split()[2 if sql.startswith("INSERT") else 1] for sql in written}
    assert changed == {"object_lease", "audit_record"}
    assert verify(context, since=BEGINNING).lines[-1].endswith("NO DIFFERENCE")

    before = context.clock.now()
    stripe.advance(days=30)
    deliver(client, context, events(stripe))
    poll_balance_transactions(context)
    expect_the_balance(context)
    with context.db.reading() as session:
        told = session.scalars(
            sa.select(OutboxMessage).where(OutboxMessage.state == OwedState.READY)
        ).all()
        receipts = {m.fact.removeprefix("receipt:") for m in told if m.fact.startswith("receipt:")}
        paid = session.scalars(
            sa.select(Payment.stripe_payment_intent_id).where(
                Payment.paid_at > before, Payment.plan != ""
            )
        ).all()
        assert receipts == set(paid)
        assert len(paid) == 2 * of_each  # monthly, and at the old price
        assert {m.kind for m in told} == {"payment_receipt", "subscription_ended"}


def test_whoever_renews_within_two_weeks_of_an_adoption_is_still_reminded(
    context: Context, stripe: LocalStripe
) -> None:
    bought(stripe, price_named(context, "digital-year-standard"), "yearly@example.org")
    stripe.advance(days=355)

    adopt(context, survey(context), actor="test")
    remind_of_renewals(context)

    with context.db.reading() as session:
        told = sa.select(OutboxMessage.kind).where(OutboxMessage.state == OwedState.READY)
        assert session.scalars(told).all() == ["renewal_coming"]


def test_books_that_have_begun_are_not_opened_again(context: Context, stripe: LocalStripe) -> None:
    from billing.errors import RefusedError

    bought(stripe, price_named(context, "digital-month-standard"), "reader@example.org")
    stripe.advance(seconds=700)
    poll_balance_transactions(context)

    with pytest.raises(RefusedError, match="in the books already"):
        survey(context)
