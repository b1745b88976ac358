"""Products and prices.

Source: https://docs.stripe.com/products-prices/how-products-and-prices-work
"""

from typing import Any

from sandbox.errors import StripeError, invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.metadata import merged
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PRODUCT = "active description images name shippable statement_descriptor unit_label url"
_PRICE = "active lookup_key nickname tax_behavior"
_RECURRING = "recurring.interval recurring.interval_count recurring.usage_type"


@operation("POST", "/v1/products", f"{_PRODUCT} id metadata")
def create_product(world: World, call: Call) -> Doc:
    """Create a product; an id of one's own is allowed, once."""
    ident = call.params.get("id")
    if ident and world.store.get(ident):
        message = f"Product already exists: {ident}"
        raise invalid(message, param="id", code="resource_already_exists")
    return _new_product(world, call.picked(f"{_PRODUCT} id metadata"))


@operation("POST", "/v1/products/{id}", f"{_PRODUCT} metadata default_price")
def update_product(world: World, call: Call) -> Doc:
    """Change a product; its prices stay as they are."""
    product = world.get("product", call.id)
    fields = call.picked(f"{_PRODUCT} default_price") | {"updated": world.now}
    if fields.get("default_price"):
        world.get("price", fields["default_price"], param="default_price", status=400)
    if "metadata" in call.params:
        fields["metadata"] = merged(product["metadata"], call.params["metadata"])
    return world.change(product, fields, event="product.updated")


@operation(
    "POST",
    "/v1/prices",
    f"{_PRICE} {_RECURRING} currency unit_amount product metadata transfer_lookup_key "
    "billing_scheme product_data.name product_data.active product_data.metadata "
    "product_data.statement_descriptor product_data.unit_label product_data.id",
)
def create_price(world: World, call: Call) -> Doc:
    """Create a price for a product that exists, or for one made on the way."""
    params = call.params
    if params.get("billing_scheme") == "tiered":
        raise invalid("The sandbox knows prices per unit only.", param="billing_scheme")
    if "unit_amount" not in params:
        raise invalid(
            "Missing required param: unit_amount.", param="unit_amount", code="parameter_missing"
        )
    _claim_lookup_key(world, call)
    fields = call.picked(f"{_PRICE} currency unit_amount product product_data metadata recurring")
    return new_price(world, fields)


@operation("POST", "/v1/prices/{price}", f"{_PRICE} metadata transfer_lookup_key")
def update_price(world: World, call: Call) -> Doc:
    """Change what may be changed of a price: never its amount."""
    price = world.get("price", call.id)
    _claim_lookup_key(world, call, price["id"])
    fields = call.picked(_PRICE)
    if "metadata" in call.params:
        fields["metadata"] = merged(price["metadata"], call.params["metadata"])
    return world.change(price, fields, event="price.updated")


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
    recurring = fields.pop("recurring", None)
    if recurring is not None:
        usual = {"interval_count": 1, "usage_type": "licensed"}
        fields["recurring"] = {"meter": None, "trial_period_days": None} | usual | recurring
    fields["currency"] = fields["currency"].lower()
    fields["metadata"] = merged(None, fields.get("metadata"))
    defaults = {
        "active": True,
        "billing_scheme": "per_unit",
        "tax_behavior": "unspecified",
        "type": "one_time" if recurring is None else "recurring",
        "unit_amount_decimal": str(fields["unit_amount"]),
    }
    return world.create("price", defaults | fields, event="price.created")


def _new_product(world: World, given: dict[str, Any]) -> Doc:
    fields = given | {"metadata": merged(None, given.get("metadata")), "updated": world.now}
    defaults = {"active": True, "type": "service", "default_price": None, "tax_code": None}
    optional = {"statement_descriptor": None, "unit_label": None}
    return world.create("product", defaults | optional | fields, event="product.created")


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
