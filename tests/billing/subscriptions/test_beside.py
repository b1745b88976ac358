"""What stands beside a period on an invoice, or is owed beside it: nobody's paid days change."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.access import Reason
from billing.clock import accounting_day
from billing.context import Context
from billing.models import Payment, Price, Subscription, SubscriptionStatus
from tests.support.stripe import LocalStripe
from tests.support.subscriber import (
    FAILS_LATER,
    YEARLY,
    look,
    mail,
    mails,
    mirror,
    reason,
    rights,
    subscribe,
    take_a_second_copy,
)

GRACE = timedelta(days=14)
HOUR = timedelta(hours=1)
SOLIDARITY = "digital-month-solidarity"


def move_to(
    context: Context, stripe: LocalStripe, ours: Subscription, key: str, **how: Any
) -> Price:
    """Move a subscription to another of our prices, as staff do in the dashboard."""
    with context.db.reading() as session:
        price = session.scalars(sa.select(Price).where(Price.lookup_key == key)).one()
    found = stripe.client.v1.subscriptions.retrieve(ours.stripe_subscription_id)
    item: Any = {"id": found["items"].data[0].id, "price": price.stripe_price_id}
    changed: Any = {"items": [item], **how}
    stripe.client.v1.subscriptions.update(found.id, changed)
    return price


def add_by_hand(stripe: LocalStripe, ours: Subscription) -> None:
    about: Any = {"customer": ours.stripe_customer_id, "amount": 500, "currency": "gbp"}
    about["description"] = "A back number"
    stripe.client.v1.invoice_items.create(about)


def renew(stripe: LocalStripe, ours: Subscription) -> Any:
    """Go to where the renewal has been tried, and return its invoice."""
    renews_at = ours.provisional_until or ours.paid_until
    stripe.control("advance", to=int((renews_at + 2 * HOUR).timestamp()))
    return stripe.client.v1.invoices.list({"limit": 1}).data[0]


@pytest.mark.parametrize("beside", ["a proration", "something added by hand"])
def test_a_failed_renewal_leaves_its_whole_grace_whatever_else_stands_on_the_invoice(
    context: Context, stripe: LocalStripe, beside: str
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    due = ours.paid_until
    stripe.advance(days=10)
    if beside == "a proration":
        move_to(context, stripe, ours, SOLIDARITY, proration_behavior="create_prorations")
    else:
        add_by_hand(stripe, ours)

    bill = renew(stripe, ours)
    checkout.look_at_invoice(context, str(bill.id))
    failing = look(context)

    first = bill.lines.data[0]
    assert first.period.start < due.timestamp()  # or this test shows nothing
    assert (failing.paid_until, failing.past_due_since) == (due, due)
    assert rights(context)["grace"].ends_at == due + GRACE
    assert reason(context, ours.reader_id) is Reason.GRACE
    assert mail(context, "payment_failed")["access_until"] == str(accounting_day(due + GRACE))


@pytest.mark.parametrize("beside", ["a proration", "something added by hand"])
def test_a_renewal_names_its_own_period_and_plan_whatever_else_stands_on_the_invoice(
    context: Context, stripe: LocalStripe, beside: str
) -> None:
    ours = subscribe(context, stripe)
    due = ours.paid_until
    stripe.advance(days=10)
    if beside == "a proration":
        move_to(context, stripe, ours, SOLIDARITY, proration_behavior="create_prorations")
    else:
        add_by_hand(stripe, ours)

    checkout.look_at_invoice(context, str(renew(stripe, ours).id))

    told, renewed = mail(context, "payment_receipt"), mirror(context)
    assert told["receipt"]["period_starts"] == str(accounting_day(due))
    assert told["renews_on"] == str(accounting_day(renewed.paid_until))
    with context.db.reading() as session:
        plans = set(session.scalars(sa.select(Payment.plan)))
    assert plans == {ours.plan}


def test_who_does_not_pay_for_an_upgrade_keeps_the_year_that_is_paid(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER, price=YEARLY)
    stripe.advance(days=165)
    take_a_second_copy(stripe, ours)
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    checkout.look_at_invoice(context, str(bill.id))
    owing = look(context)

    assert (owing.status, owing.pay_url) == (SubscriptionStatus.PAST_DUE, bill.hosted_invoice_url)
    assert (owing.paid_until, owing.past_due_since) == (ours.paid_until, None)
    assert reason(context, ours.reader_id, ours.paid_until - HOUR) is Reason.SUBSCRIBER
    assert mail(context, "payment_failed")["access_until"] == str(accounting_day(ours.paid_until))


def test_a_change_that_begins_a_new_period_is_owed_like_one_and_takes_no_paid_day(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    stripe.advance(days=10)

    move_to(context, stripe, ours, YEARLY)
    owing = look(context)

    (of_the_year, _) = stripe.client.v1.invoices.list().data
    assert of_the_year.billing_reason == "subscription_update"
    assert owing.status is SubscriptionStatus.PAST_DUE
    assert owing.past_due_since == owing.paid_until == ours.paid_until
    assert reason(context, ours.reader_id, ours.paid_until - HOUR) is Reason.SUBSCRIBER
    assert rights(context)["grace"].ends_at == ours.paid_until + GRACE
    checkout.look_at_invoice(context, str(of_the_year.id))
    until = str(accounting_day(ours.paid_until + GRACE))
    assert mail(context, "payment_failed")["access_until"] == until


@pytest.mark.parametrize("verb", ["void_invoice", "mark_uncollectible"])
def test_what_staff_no_longer_ask_for_lets_read_on_and_is_not_called_paid(
    context: Context, stripe: LocalStripe, verb: str
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    bill = renew(stripe, ours)
    checkout.look_at_invoice(context, str(bill.id))
    told = mails(context)
    assert reason(context, ours.reader_id) is Reason.GRACE

    getattr(stripe.client.v1.invoices, verb)(str(bill.id))
    checkout.look_at_invoice(context, str(bill.id))
    forgiven = look(context)

    assert (forgiven.status, forgiven.pay_url) == (SubscriptionStatus.ACTIVE, "")
    assert forgiven.paid_until == ours.paid_until
    assert forgiven.provisional_until is not None
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    assert rights(context).keys() == {"subscription"}
    stripe.advance(days=20)
    look(context)
    assert mails(context) == told  # nobody duns for what is not owed


def test_what_was_given_up_and_is_paid_after_all_is_paid_and_told_once(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    bill = renew(stripe, ours)
    stripe.client.v1.invoices.mark_uncollectible(str(bill.id))
    look(context)
    good = stripe.client.v1.payment_methods.attach(
        "pm_card_visa", {"customer": ours.stripe_customer_id}
    )

    stripe.client.v1.invoices.pay(str(bill.id), {"payment_method": good.id})
    for _ in range(2):
        checkout.look_at_invoice(context, str(bill.id))
    paid = look(context)

    assert (paid.status, paid.provisional_until) == (SubscriptionStatus.ACTIVE, None)
    assert paid.paid_until > ours.paid_until
    assert mails(context) == ["subscription_started", "payment_receipt"]


def test_a_failure_after_a_period_was_given_up_counts_from_the_first_that_was_not_paid(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    stripe.control("settings", after_retries=2)
    bill = renew(stripe, ours)
    stripe.client.v1.invoices.mark_uncollectible(str(bill.id))
    between = look(context)

    renewed = renew(stripe, between)
    failing = look(context)

    assert renewed.id != bill.id
    assert failing.status is SubscriptionStatus.PAST_DUE
    assert (failing.paid_until, failing.past_due_since) == (ours.paid_until, ours.paid_until)


def test_whoever_pays_by_transfer_has_their_grace_from_the_day_the_invoice_was_due(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    bill = renew(stripe, ours)
    due = ours.paid_until + timedelta(days=30)
    stripe.rewrite(str(bill.id), due_date=int(due.timestamp()))

    late = look(context)

    assert (late.status, late.past_due_since) == (SubscriptionStatus.PAST_DUE, due)
    assert late.paid_until == ours.paid_until  # no later than it was paid
    assert rights(context)["grace"].ends_at == due + GRACE


def test_a_failed_change_to_a_new_period_is_looked_at_once_or_often_and_comes_to_the_same(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    stripe.advance(days=10)
    move_to(context, stripe, ours, YEARLY)
    often = [look(context) for _ in range(2)][-1]
    with context.db.unit_of_work() as session:  # as a mirror that was wrong would have it
        wrong = {"paid_until": ours.started_at, "past_due_since": None}
        session.execute(sa.update(Subscription).values(**wrong))

    once = look(context)

    assert (once.paid_until, once.past_due_since) == (often.paid_until, often.past_due_since)
    assert once.paid_until == ours.paid_until


def test_a_mirror_that_was_wrong_of_an_ended_period_is_put_right_by_one_look(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    with context.db.unit_of_work() as session:
        session.execute(sa.update(Subscription).values(paid_until=ours.started_at))
    stripe.advance(days=10)
    stripe.client.v1.subscriptions.cancel(ours.stripe_subscription_id)

    ended = look(context)

    assert ended.ended_at is not None
    assert ended.paid_until == ended.ended_at
