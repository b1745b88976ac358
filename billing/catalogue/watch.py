"""Watch what Stripe sells for us: somebody at its dashboard may archive a price, or make another.

Nothing is put right here, since whoever changed it may have meant it; staff are told what differs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue, Plan, PlanPrice
from billing.catalogue.push import product_id_of
from billing.clock import Clock
from billing.db import Database
from billing.models import Price
from billing.queue import Fence, look
from billing.stripe_gateway import catalogue as theirs
from billing.stripe_gateway.catalogue import StripePrice
from billing.stripe_gateway.client import Gateway
from billing.tasks import raise_again, settle_tasks

_OBJECT: Final = "catalogue"  # all prices are looked at together, under one lease
_KIND: Final = "price-differs"
_CURE: Final = (
    "Nobody can begin to pay it as the page says. Run `billing catalogue push`, or change the"
    " catalogue if that is what was meant."
)


@dataclass(frozen=True, slots=True)
class _OnSale:
    """What Stripe sells for us: the products that are on sale, and the prices by lookup key."""

    products: frozenset[str]
    prices: Mapping[str, StripePrice]


def look_at_prices(
    db: Database,
    gateway: Gateway,
    catalogue: Catalogue,
    *,
    clock: Clock,
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Compare Stripe's prices with the catalogue, and ask staff about each that differs.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def apply_it(session: Session, found: _OnSale | None, fence: Fence) -> None:
        fence.check(session)
        if found is not None:
            for lookup_key, differs in _compare(session, catalogue, found):
                if differs:
                    detail = f"The price {lookup_key} {differs}. {_CURE}"
                    now = clock.now()
                    raise_again(session, _KIND, subject=lookup_key, detail=detail, now=now)
                else:
                    settle_tasks(session, _KIND, subject=lookup_key, now=clock.now())
        also(session)

    look(db, _OBJECT, read=lambda: _read(gateway, catalogue), apply=apply_it, clock=clock)


def _read(gateway: Gateway, catalogue: Catalogue) -> _OnSale:
    products = (theirs.product(gateway, product_id_of(plan)) for plan in catalogue.plans)
    keys = [price.lookup_key for plan in catalogue.plans for price in plan.prices]
    return _OnSale(
        frozenset(each.id for each in products if each is not None and each.active),
        theirs.prices_named(gateway, keys),
    )


def _compare(session: Session, catalogue: Catalogue, found: _OnSale) -> Iterator[tuple[str, str]]:
    """Yield each lookup key with what is wrong at Stripe; '' where nothing is."""
    sold = {
        price.lookup_key: price.stripe_price_id
        for price in session.scalars(sa.select(Price).where(Price.on_sale))
    }
    for plan in catalogue.plans:
        for wanted in plan.prices:
            there = found.prices.get(wanted.lookup_key)
            ours = sold.get(wanted.lookup_key, "")
            yield wanted.lookup_key, _difference(plan, wanted, there, ours, found.products)


def _difference(
    plan: Plan, wanted: PlanPrice, there: StripePrice | None, ours: str, products: frozenset[str]
) -> str:
    if there is None:
        return "is not at Stripe"
    if product_id_of(plan) not in products:
        return f"belongs to the product {product_id_of(plan)}, which is not on sale at Stripe"
    if not there.active:
        return f"was archived at Stripe ({there.id})"
    if (there.money, there.interval) != (wanted.money, wanted.interval.value):
        says = f"{there.money} a {there.interval or 'time'}"
        return f"is {says} at Stripe and {wanted.money} a {wanted.interval.value} in the catalogue"
    if there.id != ours:
        return f"has become another at Stripe ({there.id}) than the one we sell ({ours or 'none'})"
    return ""
