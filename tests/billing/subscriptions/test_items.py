"""What a subscription consists of and comes to: many items, many lines, coupons, nothing due."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import checkout, subscriptions
from billing.access import Reason
from billing.context import Context
from billing.models import Payment, Price, Subscription, SubscriptionStatus
from billing.stripe_gateway import read_billing
from tests.support.stripe import LocalStripe
from tests.support.subscriber import look, mail, mails, mirror, reason, rights, subscribe


def other_price(stripe: LocalStripe, amount: int) -> str:
    """Make a price at Stripe that is none of ours."""
    product = stripe.client.v1.products.create({"name": "A tote bag each month"})
    made = stripe.client.v1.prices.create(
        {
            "product": product.id,
            "currency": "gbp",
            "unit_amount": amount,
            "recurring": {"interval": "month"},
        }
    )
    return made.id


def price_of(context: Context, lookup_key: str) -> str:
    with context.db.reading() as session:
        found = sa.select(Price.stripe_price_id).where(Price.lookup_key == lookup_key)
        return session.scalars(found).one()


@pytest.mark.slow
def test_a_subscription_of_25_items_is_read_to_its_last_and_its_plan_found_among_them(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    ident = ours.stripe_subscription_id
    bags = [other_price(stripe, 1_00 + n) for n in range(24)]
    old = stripe.client.v1.subscriptions.retrieve(ident)["items"].data[0]
    items: list[Any] = [{"id": old.id, "deleted": True}]
    items += [{"price": bag, "quantity": 1} for bag in bags]
    stripe.client.v1.subscriptions.update(ident, {"items": items, "proration_behavior": "none"})
    stripe.client.v1.subscription_items.create(
        {
            "subscription": ident,
            "price": price_of(context, "digital-month-solidarity"),
            "quantity": 2,
            "proration_behavior": "none",
        }
    )

    theirs = read_billing.subscription(context.gateway, ident)
    many = look(context)

    assert theirs is not None
    assert len(theirs.price_ids) == len(set(theirs.price_ids)) == 25
    with context.db.reading() as session:
        solidarity = session.get_one(Price, price_of(context, "digital-month-solidarity"))
    assert (many.plan, many.stripe_price_id) == ("digital", solidarity.stripe_price_id)
    assert many.amount == 2 * solidarity.amount + sum(1_00 + n for n in range(24))
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER


@pytest.mark.slow
def test_an_invoice_of_137_lines_is_read_to_its_last_and_booked_to_the_plan_it_names(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    customer = str(stripe.client.v1.subscriptions.retrieve(ours.stripe_subscription_id).customer)
    for n in range(136):
        stripe.client.v1.invoice_items.create(
            {"customer": customer, "currency": "gbp", "amount": 10, "description": f"Line {n}"}
        )
    stripe.control("advance", to=int((ours.paid_until + timedelta(hours=2)).timestamp()))
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    theirs = read_billing.invoice(context.gateway, str(bill.id))
    checkout.look_at_invoice(context, str(bill.id))

    assert theirs is not None
    assert theirs.amount_paid == ours.amount + 136 * 10
    assert theirs.price_ids == (ours.stripe_price_id,)
    with context.db.reading() as session:
        paid = sa.select(Payment).where(Payment.stripe_invoice_id == str(bill.id))
        assert session.scalars(paid).one().plan == "digital"


@pytest.mark.parametrize(
    ("coupon", "due"),
    [
        ({"percent_off": 25, "duration": "forever"}, 4_12),  # of 5.49, to the nearest penny
        ({"amount_off": 1_00, "currency": "gbp", "duration": "forever"}, 4_49),
        ({"amount_off": 9_00, "currency": "gbp", "duration": "forever"}, 0),
    ],
)
def test_the_amount_is_what_the_next_period_costs_after_coupons(
    context: Context, stripe: LocalStripe, coupon: dict[str, object], due: int
) -> None:
    ours = subscribe(context, stripe)
    made = stripe.client.v1.coupons.create(coupon)  # type: ignore[arg-type]
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"discounts": [{"coupon": made.id}]}
    )

    assert look(context).amount == due


def test_a_coupon_that_ends_before_the_next_period_takes_nothing_off_it(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    made = stripe.client.v1.coupons.create(
        {"percent_off": 50, "duration": "repeating", "duration_in_months": 3}
    )
    discounted = stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"discounts": [{"coupon": made.id}]}
    )
    while_it_lasts = look(context).amount
    ends = ours.paid_until - timedelta(days=1)
    stripe.rewrite(str((discounted.discounts or [])[0]), end=int(ends.timestamp()))

    assert (while_it_lasts, look(context).amount) == (2_74, 5_49)


def test_a_period_that_costs_nothing_is_access_without_income_or_receipt(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    made = stripe.client.v1.coupons.create({"percent_off": 100, "duration": "forever"})
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"discounts": [{"coupon": made.id}]}
    )
    stripe.control("advance", to=int((ours.paid_until + timedelta(hours=2)).timestamp()))
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    checkout.look_at_invoice(context, str(bill.id))

    free = mirror(context)
    assert (bill.status, bill.amount_paid) == ("paid", 0)
    assert free.paid_until > ours.paid_until
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    assert mails(context) == ["subscription_started"]
    with context.db.reading() as session:
        assert session.scalars(sa.select(Payment.amount)).all() == [5_49]


def test_a_change_that_waits_for_its_payment_leaves_the_old_plan_until_it_is_applied(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    dearer = price_of(context, "digital-month-solidarity")
    item = stripe.client.v1.subscriptions.retrieve(ours.stripe_subscription_id)["items"].data[0]
    stripe.rewrite(
        ours.stripe_subscription_id,
        pending_update={
            "billing_cycle_anchor": None,
            "discount_source": None,
            "expires_at": int((context.clock.now() + timedelta(hours=23)).timestamp()),
            "subscription_items": [{"id": item.id, "price": dearer, "quantity": 1}],
            "trial_end": None,
            "trial_from_plan": None,
        },
    )

    waiting = look(context)

    assert (waiting.stripe_price_id, waiting.amount) == (ours.stripe_price_id, 5_49)
    stripe.rewrite(ours.stripe_subscription_id, pending_update=None)
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id,
        {"items": [{"id": item.id, "price": dearer}], "proration_behavior": "none"},
    )
    assert look(context).stripe_price_id == dearer


@pytest.mark.parametrize("days", [2, 5, 14])
def test_the_end_of_a_trial_however_short_is_told_once_and_not_when_it_begins(
    context: Context, stripe: LocalStripe, days: int
) -> None:
    ours = subscribe(context, stripe)
    ends = context.clock.now().replace(microsecond=0) + timedelta(days=days)
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id,
        {"trial_end": int(ends.timestamp()), "proration_behavior": "none"},
    )
    look(context)
    assert ("renewal_coming" in mails(context)) is (days < 4)
    stripe.advance(days=max(0, days - 3))

    for _ in range(2):
        look(context)
        subscriptions.remind_of_renewals(context)

    told = mail(context, "renewal_coming")
    assert (told["trial"], told["renews_on"]) == (True, ends.date().isoformat())
    assert told["amount"] == {"amount": ours.amount, "currency": "gbp"}


def test_a_trial_reads_to_its_end_and_pays_nothing_before(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    ends = context.clock.now() + timedelta(days=10)
    stripe.rewrite(
        ours.stripe_subscription_id,
        **{
            "status": "trialing",
            "trial_end": int(ends.timestamp()),
            "items__data[0]__current_period_end": int(ends.timestamp()),
        },
    )

    trial: Subscription = look(context)

    assert trial.status is SubscriptionStatus.TRIALING
    assert trial.paid_until == ends.replace(microsecond=0)
    assert rights(context)["subscription"].ends_at == trial.paid_until + timedelta(hours=24)
    assert mails(context) == ["subscription_started"]
