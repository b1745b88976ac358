"""Checkout Sessions, as the API makes and expires them.

Source: https://docs.stripe.com/api/checkout/sessions
"""

from typing import Any

from sandbox.api.catalogue import new_price
from sandbox.engine import checkout
from sandbox.errors import invalid, lacking, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PLAIN = "cancel_url client_reference_id customer customer_email locale metadata mode submit_type"
_PRICE_DATA = "line_items.price_data"
_TOO_SMALL, _TOO_LARGE = 30, 99_999_999


@operation(
    "POST",
    "/v1/checkout/sessions",
    f"{_PLAIN} success_url line_items.price line_items.quantity {_PRICE_DATA}.currency "
    f"{_PRICE_DATA}.product {_PRICE_DATA}.product_data.name {_PRICE_DATA}.unit_amount "
    "payment_intent_data.description payment_intent_data.metadata subscription_data.metadata",
)
def create_session(world: World, call: Call) -> Doc:
    """Open a hosted payment page."""
    params = call.params
    _check(world, call)
    items = [_priced(world, given) for given in params["line_items"]]
    _check_items(items, params["mode"])
    total = sum(item["amount_total"] for item in items)
    if not _TOO_SMALL <= total <= _TOO_LARGE:
        code = "amount_too_small" if total < _TOO_SMALL else "amount_too_large"
        raise invalid("The total must be between 0.30 and 999,999.99.", code=code)
    fields = call.picked(f"{_PLAIN} success_url")
    data = params.get("subscription_data") or params.get("payment_intent_data") or {}
    return checkout.open_session(world, fields, items, data)


@operation("POST", "/v1/checkout/sessions/{session}/expire")
def expire_session(world: World, call: Call) -> Doc:
    """Close an open session before its time."""
    session = world.get("checkout.session", call.id)
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
        raise invalid(message)
    return checkout.expire(world, session)


def _check(world: World, call: Call) -> None:
    """Refuse what Stripe refuses, and by name what only the real one can do."""
    params = call.params
    call.need("mode", "success_url", "line_items")
    if params["mode"] == "setup":
        raise not_simulated("mode=setup", param="mode")
    if {"customer", "customer_email"} <= params.keys():
        message = "You may only specify one of these parameters: customer, customer_email."
        raise invalid(message, param="customer_email")
    if "customer" in params:
        world.get("customer", params["customer"], param="customer", status=400)
    other = "payment_intent_data" if params["mode"] == "subscription" else "subscription_data"
    if other in params:
        raise invalid(f"You can not pass `{other}` in `{params['mode']}` mode.", param=other)


def _priced(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """Turn one line of the request into a line item with its amounts."""
    if ("price" in given) == ("price_data" in given):
        message = "You must specify either `price` or `price_data` for each line item."
        raise invalid(message, param="line_items[0]")
    if "price" in given:
        price = world.get("price", given["price"], param="line_items[0][price]", status=400)
        if not price["active"]:
            message = "The price specified is inactive. This field only accepts active prices."
            raise invalid(message, param="line_items[0][price]")
    elif "unit_amount" not in given["price_data"]:
        raise lacking("line_items[0][price_data][unit_amount]")
    else:
        price = new_price(world, given["price_data"] | {"active": False})
    quantity = given.get("quantity", 1)
    if quantity < 1:
        message = "Invalid integer: quantity must be at least 1."
        raise invalid(message, param="line_items[0][quantity]", code="parameter_invalid_integer")
    amount = price["unit_amount"] * quantity
    return {
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": world.get("product", price["product"])["name"],
        "price": price,
        "quantity": quantity,
    }


def _check_items(items: list[dict[str, Any]], mode: str) -> None:
    recurring = [item["price"]["type"] == "recurring" for item in items]
    if not items or len({item["currency"] for item in items}) > 1:
        raise invalid("Pass line items, all in one currency.", param="line_items")
    if mode == "payment" and any(recurring):
        message = (
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices."
        )
        raise invalid(message, param="line_items")
    if mode == "subscription" and not any(recurring):
        message = "You must provide at least one recurring price in `subscription` mode."
        raise invalid(message, param="line_items")
    if mode == "subscription" and not all(recurring):
        raise not_simulated("one-time prices in `subscription` mode", param="line_items")
