"""A plan the catalogue has no more: whoever still pays for it loses nothing, and staff hear."""

from dataclasses import replace

import sqlalchemy as sa

from billing import checkout, subscriptions
from billing.access import Reason
from billing.catalogue.push import push
from billing.context import Context
from billing.models import Payment
from tests.support.stripe import LocalStripe
from tests.support.subscriber import YEARLY, look, mail, mails, reason, subscribe, tasks

KEPT = "digital-month-concession"


def without_the_plan(context: Context) -> Context:
    """Return a context whose catalogue sells another plan, and that one alone."""
    plan = context.catalogue.plan("digital")
    price = next(each for each in plan.prices if each.lookup_key == KEPT)
    price = price.model_copy(update={"lookup_key": "print-month"})
    other = plan.model_copy(update={"key": "print", "name": "Print", "prices": (price,)})
    catalogue = context.catalogue.model_copy(update={"plans": (other,)})
    return replace(context, catalogue=catalogue)


def test_who_pays_for_a_plan_that_is_gone_is_served_to_the_end_and_the_money_is_asked_about(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    context = without_the_plan(context)

    stripe.advance(days=32)
    checkout.look_at_invoice(context, str(stripe.client.v1.invoices.list().data[0].id))
    renewed = look(context)

    assert renewed.paid_until > ours.paid_until
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    assert mail(context, "payment_receipt")["receipt"]["item"] == "digital"
    with context.db.reading() as session:
        booked = sa.select(Payment.account_code).order_by(Payment.created_at)
        assert session.scalars(booked).all()[-1] == "2130"
    assert tasks(context) == ["unknown-plan", "unallocated-receipt"]

    stripe.client.v1.subscriptions.cancel(ours.stripe_subscription_id)
    look(context)
    assert mail(context, "subscription_ended")["plan"] == "digital"


def test_a_renewal_of_a_plan_that_is_gone_is_reminded_of(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe, price=YEARLY)
    stripe.advance(days=358)

    assert subscriptions.remind_of_renewals(without_the_plan(context)) == 0

    assert mails(context)[-1] == "renewal_coming"


def test_a_push_says_which_plan_is_still_paid_for_and_not_in_the_catalogue(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    gone = without_the_plan(context)

    said = push(gone.db, gone.gateway, gone.catalogue, now=gone.clock.now())

    assert said[0] == (
        "digital: not in the catalogue, and still paid for by 1 subscriber; put it back, or their"
        " money is booked as unallocated."
    )
