"""What Stripe sells for us is watched: whoever changes it there, staff are told how to mend it."""

import sqlalchemy as sa

from billing.catalogue.push import push
from billing.catalogue.watch import look_at_prices
from billing.context import Context
from billing.models import Price, Task
from tests.support.stripe import LocalStripe

KEY = "digital-month-standard"


def look(context: Context) -> list[str]:
    """Look, and return what staff are asked."""
    look_at_prices(context.db, context.gateway, context.catalogue, clock=context.clock)
    with context.db.reading() as session:
        asked = session.scalars(sa.select(Task).where(Task.closed_at.is_(None)))
        return [f"{task.subject}: {task.detail}" for task in asked]


def price_id(context: Context) -> str:
    with context.db.reading() as session:
        sold = sa.select(Price.stripe_price_id).where(Price.lookup_key == KEY, Price.on_sale)
        return session.scalars(sold).one()


def test_a_price_archived_at_stripe_is_a_question_until_it_is_pushed_again(
    context: Context, stripe: LocalStripe
) -> None:
    assert look(context) == []
    for _ in range(2):
        sold = price_id(context)
        stripe.client.v1.prices.update(sold, {"active": False})

        (asked,) = look(context)
        assert f"{KEY}: The price {KEY} was archived at Stripe ({sold})." in asked
        assert "Run `billing catalogue push`" in asked

        push(context.db, context.gateway, context.catalogue, now=context.clock.now())
        assert look(context) == []


def test_a_price_that_says_another_amount_or_currency_is_named_with_both(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.rewrite(price_id(context), unit_amount=6_49)
    (asked,) = look(context)
    assert "is £6.49 a month at Stripe and £5.49 a month in the catalogue" in asked

    stripe.rewrite(price_id(context), currency="eur", unit_amount=5_49)
    (asked,) = look(context)
    assert "is €5.49 a month at Stripe and £5.49 a month in the catalogue" in asked


def test_a_lookup_key_given_to_another_price_is_noticed(
    context: Context, stripe: LocalStripe
) -> None:
    made = stripe.client.v1.prices.create(
        {
            "product": "morning-star-digital",
            "currency": "gbp",
            "unit_amount": 5_49,
            "recurring": {"interval": "month"},
            "lookup_key": KEY,
            "transfer_lookup_key": True,
        }
    )

    (asked,) = look(context)

    assert f"has become another at Stripe ({made.id}) than the one we sell" in asked


def test_a_product_taken_off_sale_takes_its_prices_with_it(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.client.v1.products.update("morning-star-digital", {"active": False})

    asked = look(context)

    assert len(asked) == sum(len(plan.prices) for plan in context.catalogue.plans)
    assert all("which is not on sale at Stripe" in each for each in asked)
