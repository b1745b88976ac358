"""Customers at Stripe, what they pay from, and what follows when one of them is gone."""

from datetime import date, timedelta

import sqlalchemy as sa

from billing import payments
from billing.clock import accounting_day, next_month
from billing.context import Context
from billing.models import Customer, Payment, PaymentMethod, Reader, SubscriptionStatus
from tests.support.stripe import LocalStripe
from tests.support.subscriber import look, mirror, start, subscribe


def customer(context: Context) -> Customer:
    with context.db.reading() as session:
        return session.scalars(sa.select(Customer).order_by(Customer.created_at).limit(1)).one()


def paid_from(context: Context) -> payments.PaidFrom:
    with context.db.reading() as session:
        today = accounting_day(context.clock.now())
        return payments.paid_from(session, mirror(context), today=today)


def test_a_deleted_customer_is_never_used_again_and_what_they_paid_stays_in_the_books(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    gone = customer(context).stripe_customer_id
    stripe.client.v1.customers.delete(gone)
    for _ in range(2):
        payments.look_at_customer(context, gone)
    look(context)
    asked_before = len(stripe.client.v1.customers.list().data)

    again = subscribe(context, stripe, reader_id=ours.reader_id)

    assert customer(context).deleted_at is not None
    assert (again.status, again.reader_id) == (SubscriptionStatus.ACTIVE, ours.reader_id)
    assert again.stripe_customer_id not in ("", gone)
    assert len(stripe.client.v1.customers.list().data) == asked_before + 1
    with context.db.reading() as session:
        assert session.scalars(sa.select(Payment.amount)).all() == [5_49, 5_49]


def test_a_checkout_that_meets_a_deleted_customer_remembers_it(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    stripe.client.v1.customers.delete(ours.stripe_customer_id)
    look(context)

    start(context, reader_id=ours.reader_id)

    assert customer(context).deleted_at is not None


def test_a_customers_address_at_stripe_says_nothing_about_who_they_are(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    stripe.client.v1.customers.update(ours.stripe_customer_id, {"email": "mallory@example.org"})

    payments.look_at_customer(context, ours.stripe_customer_id)

    with context.db.reading() as session:
        assert session.get_one(Reader, ours.reader_id).email == "gwen@example.org"


def test_a_credit_and_a_usual_card_are_mirrored(context: Context, stripe: LocalStripe) -> None:
    ours = subscribe(context, stripe)
    stripe.rewrite(ours.stripe_customer_id, balance=-2_50)
    stripe.rewrite(
        ours.stripe_customer_id, invoice_settings__default_payment_method=ours.payment_method_id
    )

    payments.look_at_customer(context, ours.stripe_customer_id)

    assert (customer(context).balance, customer(context).payment_method_id) == (
        -2_50,
        ours.payment_method_id,
    )


def test_a_stranger_on_a_shared_account_leaves_no_trace(
    context: Context, stripe: LocalStripe
) -> None:
    stranger = stripe.client.v1.customers.create({"email": "stranger@example.org"})
    card = stripe.client.v1.payment_methods.attach("pm_card_visa", {"customer": stranger.id})

    payments.look_at_customer(context, stranger.id)
    payments.look_at_payment_method(context, card.id)

    with context.db.reading() as session:
        assert session.scalars(sa.select(Customer)).all() == []
        assert session.scalars(sa.select(PaymentMethod)).all() == []


def test_a_card_that_runs_out_this_month_or_next_is_warned_of_until_its_bank_replaces_it(
    context: Context, stripe: LocalStripe
) -> None:
    method = subscribe(context, stripe).payment_method_id
    assert paid_from(context) == payments.PaidFrom(label="Visa ending 4242")
    this_month = accounting_day(context.clock.now())
    coming = next_month(this_month)

    def warned(expires: date) -> date | None:
        stripe.rewrite(method, card__exp_month=expires.month, card__exp_year=expires.year)
        payments.look_at_payment_method(context, method)
        return paid_from(context).runs_out

    assert warned(this_month) == coming - timedelta(days=1)
    assert warned(coming) == next_month(coming) - timedelta(days=1)
    assert warned(next_month(coming)) is None
    warned(this_month)
    stripe.control(f"payment_methods/{method}/reissue")
    payments.look_at_payment_method(context, method)
    assert paid_from(context).runs_out is None


def test_a_card_that_was_let_go_for_good_is_forgotten(
    context: Context, stripe: LocalStripe
) -> None:
    method = subscribe(context, stripe).payment_method_id
    stripe.rewrite(method, object="nothing")

    payments.look_at_payment_method(context, method)

    assert paid_from(context) == payments.PaidFrom()
