"""Credits, refunds and cards of a subscription, and how little each does to the right to read."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from billing import checkout, payments
from billing.access import Reason
from billing.context import Context
from billing.models import Customer, Payment, PaymentStatus, Price
from billing.money import Money
from billing.stripe_gateway import read_billing
from tests.billing.payments.gifts import balances, expect_every_movement_once
from tests.support.stripe import LocalStripe
from tests.support.subscriber import MONTHLY, look, mails, mirror, reason, rights, subscribe, tasks

SOLIDARITY = "digital-month-solidarity"


def credit_of(context: Context) -> int:
    with context.db.reading() as session:
        return session.scalars(sa.select(Customer.balance)).one()


def test_a_downgrade_in_mid_period_is_a_credit_and_no_money_and_the_next_bill_uses_it_up(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, price=SOLIDARITY)
    with context.db.reading() as session:
        prices = {p.lookup_key: p for p in session.scalars(sa.select(Price))}
    dearer, cheaper = prices[SOLIDARITY], prices[MONTHLY]
    half = ours.started_at + (ours.paid_until - ours.started_at) / 2
    item = stripe.client.v1.subscriptions.retrieve(ours.stripe_subscription_id)["items"].data[0]
    change: Any = {
        "items": [{"id": item.id, "price": cheaper.stripe_price_id}],
        "proration_behavior": "always_invoice",
        "proration_date": int(half.timestamp()),
    }
    stripe.client.v1.subscriptions.update(ours.stripe_subscription_id, change)
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]
    told = mails(context)

    checkout.look_at_invoice(context, str(bill.id))
    payments.look_at_customer(context, ours.stripe_customer_id)

    theirs = stripe.client.v1.customers.retrieve(ours.stripe_customer_id)
    assert bill.total == theirs.balance == credit_of(context) < 0
    assert (look(context).amount, mirror(context).paid_until) == (cheaper.amount, ours.paid_until)
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    assert mails(context) == told
    assert balances(context, "4000") == [-dearer.amount]
    expect_every_movement_once(context, stripe)

    stripe.control("advance", to=int((ours.paid_until + timedelta(hours=2)).timestamp()))
    checkout.look_at_invoice(context, str(stripe.client.v1.invoices.list({"limit": 1}).data[0].id))
    payments.look_at_customer(context, ours.stripe_customer_id)

    used_up = min(cheaper.amount, -theirs.balance)
    assert credit_of(context) == theirs.balance + used_up
    assert mirror(context).paid_until > ours.paid_until
    expect_every_movement_once(context, stripe)
    assert balances(context, "4000") == [-dearer.amount - (cheaper.amount - used_up)]


def test_a_payment_given_back_in_part_or_whole_takes_nobodys_right_to_read_away(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    before = rights(context)["subscription"].ends_at
    intent = stripe.client.v1.payment_intents.list().data[0].id

    for amount in (Money(1_00), None):
        payments.refund(context, intent, amount=amount, actor="staff:1", reason="asked")
        checkout.look_at_payment(context, intent)
        look(context)

        assert rights(context)["subscription"].ends_at == before
        assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    assert balances(context, "4000") == [0]
    assert tasks(context) == []


def test_the_card_chosen_for_a_subscription_stands_though_its_payer_has_another_older_choice(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    older = stripe.client.v1.payment_methods.attach(
        "pm_card_visa", {"customer": ours.stripe_customer_id}
    )
    stripe.client.v1.customers.update(
        ours.stripe_customer_id, {"invoice_settings": {"default_payment_method": older.id}}
    )

    for _ in range(2):
        payments.look_at_customer(context, ours.stripe_customer_id)
        payments.look_at_payment_method(context, older.id)
        look(context)

    with context.db.reading() as session:
        assert session.scalars(sa.select(Customer.payment_method_id)).one() == older.id
    theirs = read_billing.subscription(context.gateway, ours.stripe_subscription_id)
    assert theirs is not None
    assert mirror(context).payment_method_id == theirs.payment_method_id != older.id


def test_a_reader_who_subscribes_again_and_again_is_one_customer_at_stripe(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    for _ in range(2):
        stripe.client.v1.subscriptions.cancel(mirror(context).stripe_subscription_id)
        look(context)
        stripe.advance(seconds=60)
        subscribe(context, stripe, reader_id=ours.reader_id)

    assert [c.id for c in stripe.client.v1.customers.list().data] == [ours.stripe_customer_id]
    with context.db.reading() as session:
        paid = session.scalars(sa.select(Payment.status)).all()
    assert paid == [PaymentStatus.SUCCEEDED] * 3
