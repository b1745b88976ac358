"""Products and prices.

Source: https://docs.stripe.com/products-prices/how-products-and-prices-work
"""

from typing import Any

from sandbox.errors import StripeError, invalid
from sandbox.kernel.calls import Call, Doc, World, operation

_PRODUCT = "active description name metadata"
_PRICE = "active lookup_key nickname metadata"


@operation("POST", "/v1/products", f"{_PRODUCT} id")
def create_product(world: World, call: Call) -> Doc:
    """Create a product; an id of one's own is allowed, once."""
    ident = call.params.get("id")
    if ident and world.store.get(ident):
        message = f"Product already exists: {ident}"
        raise invalid(message, param="id", code="resource_already_exists")
    return _new_product(world, call.picked(f"{_PRODUCT} id"))


@operation("POST", "/v1/products/{id}", _PRODUCT)
def update_product(world: World, call: Call) -> Doc:
    """Change a product; its prices stay as they are."""
    product = world.get("product", call.id)
    fields = call.picked(_PRODUCT, product) | {"updated": world.now}
    return world.change(product, fields, event="product.updated")


@operation(
    "POST",
    "/v1/prices",
    f"{_PRICE} currency product product_data.name recurring.interval recurring.interval_count "
    "transfer_lookup_key unit_amount",
)
def create_price(world: World, call: Call) -> Doc:
    """Create a price for a product that exists, or for one made on the way."""
    call.need("unit_amount")
    _claim_lookup_key(world, call)
    fields = call.picked(f"{_PRICE} currency unit_amount product product_data recurring")
    return new_price(world, fields)


@operation("POST", "/v1/prices/{price}", f"{_PRICE} transfer_lookup_key")
def update_price(world: World, call: Call) -> Doc:
    """Change what may be changed of a price: never its amount."""
    price = world.get("price", call.id)
    _claim_lookup_key(world, call, price["id"])
    return world.change(price, call.picked(_PRICE, price), event="price.updated")


def new_price(world: World, given: dict[str, Any]) -> Doc:
    """Create a price from params, whether of its own call or of a line item's `price_data`."""
    fields = dict(given)
    data = fields.pop("product_data", None)
    if (data is None) == ("product" not in fields):
        message = "You must specify either `product` or `product_data` when creating a price."
        raise invalid(message, param="product")
    if data is not None:
        fields["product"] = _new_product(world, data)["id"]
    else:
        world.get("product", fields["product"], param="product", status=400)
    recurring = fields.get("recurring")
    if recurring is not None:
        rhythm = {"interval_count": 1, "meter": None, "trial_period_days": None}
        fields["recurring"] = rhythm | {"usage_type": "licensed"} | recurring
    defaults = {
        "active": True,
        "billing_scheme": "per_unit",
        "tax_behavior": "unspecified",
        "type": "one_time" if recurring is None else "recurring",
        "unit_amount_decimal": str(fields["unit_amount"]),
    }
    fields["currency"] = fields["currency"].lower()
    return world.create("price", defaults | fields, event="price.created")


def _new_product(world: World, given: dict[str, Any]) -> Doc:
    empty = dict.fromkeys(("default_price", "statement_descriptor", "tax_code", "unit_label"))
    defaults = empty | {"active": True, "type": "service", "updated": world.now}
    return world.create("product", defaults | given, event="product.created")


def _claim_lookup_key(world: World, call: Call, ident: str = "") -> None:
    """See that a lookup key names one price at most, moving it only if asked."""
    key = call.params.get("lookup_key")
    for other in world.store.find("price", {"lookup_key": key}) if key else []:
        if other["id"] == ident:
            continue
        if not call.params.get("transfer_lookup_key"):
            message = f"A price (`{other['id']}`) already uses that lookup key."
            raise StripeError(400, "invalid_request_error", message, param="lookup_key")
        world.change(other, {"lookup_key": None}, event="price.updated")
