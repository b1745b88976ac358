"""Stripe sells what the catalogue says."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from billing.catalogue.data import Catalogue
from billing.catalogue.prices import find_price, price_on_sale
from billing.catalogue.push import push
from billing.context import Context
from billing.errors import ConfigurationError, UnknownPlanError
from billing.models import Price
from billing.money import Money
from tests.support.stripe import LocalStripe

KEY = "digital-month-standard"


def dearer(catalogue: Catalogue, amount: int) -> Catalogue:
    """Return the catalogue with another amount for one price."""
    plan = catalogue.plan("digital")
    prices = tuple(
        p.model_copy(update={"amount": amount}) if p.lookup_key == KEY else p for p in plan.prices
    )
    return catalogue.model_copy(update={"plans": (plan.model_copy(update={"prices": prices}),)})


def again(context: Context, catalogue: Catalogue) -> list[str]:
    return push(context.db, context.gateway, catalogue, now=context.clock.now())


def on_sale(context: Context) -> dict[str, str]:
    with context.db.reading() as session:
        rows = session.scalars(sa.select(Price).where(Price.on_sale))
        return {price.lookup_key: price.stripe_price_id for price in rows}


def on_sale_at_stripe(stripe: LocalStripe) -> dict[str | None, str]:
    found = stripe.client.v1.prices.list({"active": True, "limit": 100}).data
    return {price.lookup_key: price.id for price in found}


def test_after_a_push_stripe_and_we_sell_the_same_prices(
    context: Context, stripe: LocalStripe
) -> None:
    wanted = {p.lookup_key: p.amount for p in context.catalogue.plan("digital").prices}

    assert on_sale(context) == on_sale_at_stripe(stripe)
    assert {
        p.lookup_key: p.unit_amount for p in stripe.client.v1.prices.list({"limit": 100}).data
    } == wanted


def test_pushing_again_changes_nothing_and_says_nothing(
    context: Context, stripe: LocalStripe
) -> None:
    before = on_sale_at_stripe(stripe)

    assert again(context, context.catalogue) == []
    assert on_sale_at_stripe(stripe) == before


def test_a_changed_amount_is_a_new_price_and_the_old_one_is_sold_no_more(
    context: Context, stripe: LocalStripe
) -> None:
    old = on_sale(context)[KEY]

    said = again(context, dearer(context.catalogue, 649))

    new = on_sale(context)[KEY]
    assert said == [
        f"{KEY}: {old} (£5.49) gave way to {new}, £6.49 a month.",
        f"{KEY}: {old} is no longer on sale.",
        f"{KEY}: {new} is the price on sale.",
    ]
    assert on_sale(context) == on_sale_at_stripe(stripe)
    assert stripe.client.v1.prices.retrieve(old).unit_amount == 549
    with context.db.reading() as session:
        assert price_on_sale(session, KEY).money == Money(649)
        kept = find_price(session, old)
        assert kept is not None
        assert (kept.money, kept.on_sale) == (Money(549), False)


def test_a_price_that_goes_up_and_comes_down_again_within_the_day_is_the_price_it_says(
    context: Context, stripe: LocalStripe
) -> None:
    again(context, dearer(context.catalogue, 649))
    again(context, context.catalogue)

    with context.db.reading() as session:
        price = price_on_sale(session, KEY)
    assert price.money == Money(549)
    assert stripe.client.v1.prices.retrieve(price.stripe_price_id).active
    assert again(context, context.catalogue) == []


def test_a_push_cut_short_before_we_wrote_anything_is_completed_by_the_next(
    context: Context, stripe: LocalStripe
) -> None:
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Price))

    said = again(context, context.catalogue)

    assert said == [
        f"{price.lookup_key}: {on_sale_at_stripe(stripe)[price.lookup_key]} is the price on sale."
        for price in context.catalogue.plan("digital").prices
    ]
    assert on_sale(context) == on_sale_at_stripe(stripe)


def test_a_price_taken_out_of_the_catalogue_is_sold_no_more(
    context: Context, stripe: LocalStripe
) -> None:
    old = on_sale(context)[KEY]
    plan = context.catalogue.plan("digital")
    left = tuple(price for price in plan.prices if price.lookup_key != KEY)
    smaller = context.catalogue.model_copy(
        update={"plans": (plan.model_copy(update={"prices": left}),)}
    )

    assert again(context, smaller) == [f"{KEY}: {old} is no longer on sale."]
    assert on_sale(context) == on_sale_at_stripe(stripe)
    with context.db.reading() as session, pytest.raises(UnknownPlanError):
        price_on_sale(session, KEY)


def test_a_price_archived_by_hand_at_stripe_is_replaced(
    context: Context, stripe: LocalStripe
) -> None:
    old = on_sale(context)[KEY]
    stripe.client.v1.prices.update(old, {"active": False})

    again(context, context.catalogue)

    assert on_sale(context)[KEY] != old
    assert on_sale(context) == on_sale_at_stripe(stripe)


def test_a_price_somebody_made_by_hand_is_reported_and_left_alone(
    context: Context, stripe: LocalStripe
) -> None:
    made = stripe.client.v1.prices.create(
        {
            "product": "morning-star-digital",
            "currency": "gbp",
            "unit_amount": 100,
            "recurring": {"interval": "month"},
        }
    )

    assert again(context, context.catalogue) == [
        (
            f"{made.id} (£1.00) is on sale at Stripe and not in the catalogue; we did not make it,"
            " so it was left alone."
        )
    ]
    assert stripe.client.v1.prices.retrieve(made.id).active
    with context.db.reading() as session:
        assert find_price(session, made.id) is None


def test_a_renamed_plan_renames_its_product_and_keeps_its_prices(
    context: Context, stripe: LocalStripe
) -> None:
    before = on_sale_at_stripe(stripe)
    plan = context.catalogue.plan("digital").model_copy(update={"name": "Online"})
    renamed = context.catalogue.model_copy(update={"plans": (plan,)})

    assert again(context, renamed) == [
        "digital: the product 'Digital subscription' is now 'Online' and on sale."
    ]
    assert on_sale_at_stripe(stripe) == before


def test_an_account_that_is_not_in_the_chart_is_refused_before_stripe_is_asked(
    context: Context, stripe: LocalStripe, tmp_path: Path
) -> None:
    plan = context.catalogue.plan("digital").model_copy(update={"account": "4999"})
    wrong = context.catalogue.model_copy(update={"plans": (plan,)})
    stripe.reset()

    with pytest.raises(ConfigurationError, match="books to account 4999"):
        again(context, wrong)
    assert on_sale_at_stripe(stripe) == {}
