"""Products and prices at Stripe: read by name, created once, never edited in place.

Each call that creates carries a key made of everything it says, so that repeating it after a lost
answer finds what the first call made, and saying something else makes something else.
Source: https://docs.stripe.com/api/idempotent_requests
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass

import stripe
from stripe.params import PriceCreateParams, ProductCreateParams

from billing.models import Interval
from billing.money import Money
from billing.stripe_gateway.client import APP, Gateway
from billing.stripe_gateway.values import id_of, text, words

_PAGE = 100


@dataclass(frozen=True, slots=True)
class StripeProduct:
    """What Stripe sells for us: one for each plan."""

    id: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class StripePrice:
    """What a product costs.

    Attributes:
        interval: how often it is paid; '' for what is paid once.
        interval_count: how many of them lie between two payments.
        ours: whether we made it; somebody may have made another by hand.
    """

    id: str
    product_id: str
    lookup_key: str
    money: Money
    interval: str
    interval_count: int
    active: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price to be made.

    Attributes:
        plan: our plan's key.
        replaces: the price that has the lookup key now; '' for none.
    """

    plan: str
    product_id: str
    lookup_key: str
    amount: int
    currency: str
    interval: Interval
    replaces: str


def product(gateway: Gateway, product_id: str) -> StripeProduct | None:
    """Read one product; None where Stripe has no such product.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    found = gateway.ask_for(lambda: gateway.client.v1.products.retrieve(product_id))
    return None if found is None else StripeProduct(found.id, found.name, found.active)


def create_product(gateway: Gateway, product_id: str, *, plan: str, name: str) -> None:
    """Create a plan's product under an id of our own, which Stripe accepts once.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    params: ProductCreateParams = {
        "id": product_id,
        "name": name,
        "metadata": {"app": APP, "plan": plan},
    }
    key = _key("product", product_id, plan, name)
    gateway.ask(lambda: gateway.client.v1.products.create(params, {"idempotency_key": key}))


def update_product(gateway: Gateway, product_id: str, *, name: str) -> None:
    """Give a product its name, and put it on sale. Its prices stay as they are.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    gateway.ask(
        lambda: gateway.client.v1.products.update(product_id, {"name": name, "active": True})
    )


def price(gateway: Gateway, price_id: str) -> StripePrice | None:
    """Read one price; None where Stripe has no such price.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    found = gateway.ask_for(lambda: gateway.client.v1.prices.retrieve(price_id))
    return None if found is None else _price_of(found)


def prices_named(gateway: Gateway, lookup_keys: Collection[str]) -> dict[str, StripePrice]:
    """Read the prices that have these lookup keys, by lookup key.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    wanted = sorted(lookup_keys)
    found: dict[str, StripePrice] = {}
    for start in range(0, len(wanted), 10):  # Stripe takes no more than ten at a time
        keys = wanted[start : start + 10]
        answer = gateway.ask(
            lambda keys=keys: gateway.client.v1.prices.list(  # type: ignore[misc]
                {"lookup_keys": keys, "limit": _PAGE}
            )
        )
        found |= {text(price.lookup_key): _price_of(price) for price in answer.data}
    return found


def prices_on_sale(gateway: Gateway, product_id: str) -> list[StripePrice]:
    """Read every active price of a product.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    found = gateway.ask(
        lambda: list(
            gateway.client.v1.prices.list(
                {"product": product_id, "active": True, "limit": _PAGE}
            ).auto_paging_iter()
        )
    )
    return [_price_of(price) for price in found]


def create_price(gateway: Gateway, new: NewPrice) -> StripePrice:
    """Create a price, and give it its lookup key even where an older price has it.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    params: PriceCreateParams = {
        "product": new.product_id,
        "currency": new.currency,
        "unit_amount": new.amount,
        "recurring": {"interval": new.interval.value},
        "lookup_key": new.lookup_key,
        "transfer_lookup_key": True,
        "metadata": {"app": APP, "plan": new.plan},
    }
    key = _key("price", *asdict(new).values())
    made = gateway.ask(lambda: gateway.client.v1.prices.create(params, {"idempotency_key": key}))
    return _price_of(made)


def retire_price(gateway: Gateway, price_id: str) -> None:
    """Sell a price no more; one that is not there is not sold either.

    Raises:
        StripeRefusedError, StripeUnavailableError: as `Gateway.ask`.
    """
    gateway.ask_for(lambda: gateway.client.v1.prices.update(price_id, {"active": False}))


def _price_of(found: stripe.Price) -> StripePrice:
    recurring = found.recurring
    return StripePrice(
        id=found.id,
        product_id=id_of(found.product),
        lookup_key=text(found.lookup_key),
        money=Money(found.unit_amount or 0, found.currency),
        interval=recurring.interval if recurring else "",
        interval_count=recurring.interval_count if recurring else 0,
        active=found.active,
        ours=words(found.metadata).get("app") == APP,
    )


def _key(*said: object) -> str:
    return f"{APP}:catalogue:{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:40]}"
