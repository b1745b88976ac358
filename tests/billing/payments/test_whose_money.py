"""Money that is somebody else's, that bought nothing, or that comes in some odd way."""

from typing import Any

import sqlalchemy as sa

from billing import checkout, payments
from billing.context import Context
from billing.models import (
    BalanceTransaction,
    Entitlement,
    ForeignObject,
    OutboxMessage,
    Payment,
    PaymentPurpose,
    PaymentStatus,
    Receipt,
    Subscription,
)
from billing.reconciliation import poll_balance_transactions, poll_unfinished
from tests.billing.payments.gifts import (
    balances,
    charge_of,
    expect_every_movement_once,
    give,
    tasks,
)
from tests.support.stripe import LocalStripe

SHOP, LOST, UNALLOCATED, GIFTS, SUBSCRIPTIONS = "4210", "7904", "2130", "4910", "4000"


def sell_a_mug(context: Context, stripe: LocalStripe, **metadata: str) -> str:
    """Let the shop on our account sell something, and return the payment intent."""
    line: Any = {
        "price_data": {"currency": "gbp", "unit_amount": 12_00, "product_data": {"name": "Mug"}},
        "quantity": 1,
    }
    theirs = stripe.client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [line],
            "payment_intent_data": {"metadata": metadata},
            "success_url": "https://shop.example/thanks",
        }
    )
    stripe.pay(str(theirs.url))
    return str(stripe.client.v1.checkout.sessions.retrieve(theirs.id).payment_intent)


def of_the_shop(context: Context) -> dict[str, str]:
    rule = next(rule for rule in context.catalogue.foreign if rule.account == SHOP)
    return {rule.metadata_key: rule.metadata_value}


def subscribe(context: Context, stripe: LocalStripe) -> Subscription:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    checkout.settle(context, started.url.rsplit("/", 1)[1])
    with context.db.reading() as session:
        return session.scalars(sa.select(Subscription)).one()


def everything(context: Context, column: Any) -> list[Any]:
    with context.db.reading() as session:
        return list(session.scalars(sa.select(column)))


def test_what_somebody_else_sells_on_our_account_is_counted_once_and_mails_nobody(
    context: Context, stripe: LocalStripe
) -> None:
    intent = sell_a_mug(context, stripe, **of_the_shop(context))

    for _ in range(2):
        checkout.look_at_payment(context, intent)

    assert everything(context, ForeignObject.object_id) == [intent]
    assert balances(context, SHOP) == [-12_00]
    assert everything(context, OutboxMessage.kind) == everything(context, Entitlement.id) == []


def test_money_taken_without_a_payment_intent_is_booked_by_the_rule_and_given_back_by_it(
    context: Context, stripe: LocalStripe
) -> None:
    charge = charge_of(stripe, sell_a_mug(context, stripe, **of_the_shop(context)))
    stripe.rewrite(charge, payment_intent=None)
    poll_balance_transactions(context)
    assert balances(context, SHOP, UNALLOCATED) == [-12_00, 0]

    stripe.client.v1.refunds.create({"charge": charge, "amount": 2_00})
    stripe.control("disputes/open", charge=charge, amount=10_00)
    theirs = stripe.client.v1.disputes.list().data[0].id
    payments.look_at_dispute(context, theirs, meet=checkout.look_at_payment)
    poll_balance_transactions(context)

    assert balances(context, SHOP, LOST, UNALLOCATED) == [-10_00, 10_00, 0]
    assert everything(context, Payment.stripe_payment_intent_id) == [charge]
    expect_every_movement_once(context, stripe)


def test_of_several_charges_of_one_payment_each_moves_that_payments_money(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe, look=False)
    other = charge_of(stripe, give(context, stripe, 3_00, look=False))
    stripe.rewrite(other, payment_intent=intent)

    checkout.look_at_payment(context, intent)

    with context.db.reading() as session:
        payment = session.scalars(sa.select(Payment)).one()
        moved = session.scalars(sa.select(BalanceTransaction.payment_id)).all()
    assert list(moved) == [payment.id, payment.id]
    assert payment.stripe_charge_id == charge_of(stripe, intent)
    assert balances(context, GIFTS) == [-28_00]


def test_a_fee_stripe_tells_only_later_is_booked_once_whoever_hears_first(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control("settings", settle_seconds=900)
    first, second = give(context, stripe), give(context, stripe)
    assert balances(context, GIFTS) == [0]
    assert everything(context, Payment.status) == [PaymentStatus.SUCCEEDED] * 2

    stripe.advance(seconds=901)
    checkout.look_at_payment(context, first)
    poll_balance_transactions(context)
    checkout.look_at_payment(context, second)
    poll_unfinished(context)

    assert balances(context, GIFTS, "7902") == [-50_00, 2 * 58]
    assert everything(context, OutboxMessage.kind) == ["donation_thanks"] * 2
    expect_every_movement_once(context, stripe)


def test_an_invoice_for_nothing_opens_the_paper_books_nothing_and_sends_no_receipt_for_nought(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    free = stripe.client.v1.coupons.create({"percent_off": 100, "duration": "forever"})
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"discounts": [{"coupon": free.id}]}
    )
    stripe.advance(days=32)
    invoice = stripe.client.v1.invoices.list().data[0]
    assert (invoice.amount_due, invoice.status) == (0, "paid")
    mails = everything(context, OutboxMessage.kind)

    checkout.look_at_invoice(context, str(invoice.id))

    with context.db.reading() as session:
        extended = session.scalars(sa.select(Subscription.paid_until)).one()
        assert extended > ours.paid_until
        assert len(session.scalars(sa.select(Receipt)).all()) == 1
    assert everything(context, OutboxMessage.kind) == mails
    assert balances(context, SUBSCRIPTIONS) == [-5_49]


def test_an_invoice_for_no_subscription_is_booked_and_opens_nothing(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    v1 = stripe.client.v1
    theirs = v1.subscriptions.retrieve(ours.stripe_subscription_id)
    customer = str(theirs.customer)
    made = v1.invoices.create({"customer": customer, "auto_advance": False})
    v1.invoice_items.create(
        {"customer": customer, "invoice": made.id, "amount": 30_00, "currency": "gbp"}
    )
    v1.invoices.finalize_invoice(str(made.id))
    v1.invoices.pay(str(made.id), {"payment_method": str(theirs.default_payment_method)})
    rights, mails = everything(context, Entitlement.id), everything(context, OutboxMessage.kind)

    checkout.look_at_invoice(context, str(made.id))
    stripe.advance(seconds=601)
    poll_unfinished(context)

    assert balances(context, SUBSCRIPTIONS, UNALLOCATED) == [-5_49, -30_00]
    assert tasks(context) == ["unallocated-receipt"]
    assert sorted(everything(context, Payment.purpose)) == [
        PaymentPurpose.FOREIGN,
        PaymentPurpose.SUBSCRIPTION,
    ]
    assert everything(context, Entitlement.id) == rights
    assert everything(context, OutboxMessage.kind) == mails
    expect_every_movement_once(context, stripe)
