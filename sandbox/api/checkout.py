"""Checkout Sessions, as the API makes and shows them.

Source: https://docs.stripe.com/api/checkout/sessions
"""

from typing import Any

from sandbox.api.catalogue import new_price
from sandbox.engine import checkout
from sandbox.errors import invalid, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.expand import included
from sandbox.kernel.metadata import merged
from sandbox.kernel.paging import PAGING, as_list, page_of
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PLAIN = (
    "billing_address_collection cancel_url client_reference_id locale submit_type success_url "
    "customer customer_email"
)
_PRICE_DATA = "line_items.price_data"
_TOO_SMALL, _TOO_LARGE = 30, 99_999_999
_SHORTEST, _LONGEST = 30 * 60, 24 * 3600


@operation(
    "POST",
    "/v1/checkout/sessions",
    f"{_PLAIN} mode ui_mode customer_creation expires_at metadata allow_promotion_codes "
    f"line_items.price line_items.quantity {_PRICE_DATA}.currency {_PRICE_DATA}.product "
    f"{_PRICE_DATA}.unit_amount {_PRICE_DATA}.tax_behavior {_PRICE_DATA}.product_data.name "
    f"{_PRICE_DATA}.product_data.description {_PRICE_DATA}.product_data.metadata "
    f"{_PRICE_DATA}.product_data.images {_PRICE_DATA}.recurring "
    "subscription_data.metadata subscription_data.description "
    "payment_intent_data.metadata payment_intent_data.description "
    "payment_intent_data.receipt_email payment_intent_data.setup_future_usage "
    "consent_collection.terms_of_service consent_collection.promotions "
    "custom_text.submit custom_text.after_submit custom_text.terms_of_service_acceptance",
)
def create_session(world: World, call: Call) -> Doc:
    """Open a hosted payment page."""
    params = call.params
    _check(world, call)
    items = [_priced(world, given) for given in params.get("line_items", [])]
    _check_items(items, params["mode"])
    total = sum(item["amount_total"] for item in items)
    if not _TOO_SMALL <= total <= _TOO_LARGE:
        code = "amount_too_small" if total < _TOO_SMALL else "amount_too_large"
        raise invalid("The total must be between 0.30 and 999,999.99.", code=code)
    fields = call.picked(_PLAIN) | {
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "amount_subtotal": total,
        "amount_total": total,
        "consent_collection": _consent_collection(params),
        "currency": items[0]["currency"],
        "custom_text": checkout.NO_TEXTS | params.get("custom_text", {}),
        "customer_creation": _customer_creation(params),
        "expires_at": _expiry(world, params),
        "metadata": merged(None, params.get("metadata")),
        "mode": params["mode"],
    }
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


@operation("GET", "/v1/checkout/sessions/{session}/line_items", PAGING)
def list_line_items(world: World, call: Call) -> Doc:
    """List what is being bought."""
    session = world.get("checkout.session", call.id)
    return page_of(world.store.children(session["id"], "item"), call)


@included("checkout.session", "line_items")
def _line_items(world: World, session: Doc) -> Doc:
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return as_list(world.store.children(session["id"], "item"), url=url)


def _check(world: World, call: Call) -> None:
    """Refuse what Stripe refuses, and by name what only the real one can do."""
    params = call.params
    for name in ("mode", "success_url", "line_items"):
        if name not in params:
            message = f"Missing required param: {name}."
            raise invalid(message, param=name, code="parameter_missing")
    for name, simulated in (
        ("mode", ("payment", "subscription")),
        ("ui_mode", ("hosted_page",)),
        ("allow_promotion_codes", (False,)),
    ):
        if name in params and params[name] not in simulated:
            raise not_simulated(f"{name}={params[name]}", param=name)
    if {"customer", "customer_email"} <= params.keys():
        message = "You may only specify one of these parameters: customer, customer_email."
        raise invalid(message, param="customer_email")
    if "customer" in params:
        world.get("customer", params["customer"], param="customer", status=400)
    other = "payment_intent_data" if params["mode"] == "subscription" else "subscription_data"
    for name in (other, *(("customer_creation",) if params["mode"] == "subscription" else ())):
        if name in params:
            raise invalid(f"You can not pass `{name}` in `{params['mode']}` mode.", param=name)


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
    else:
        if "unit_amount" not in given["price_data"]:
            message = "Missing required param: line_items[0][price_data][unit_amount]."
            raise invalid(message, code="parameter_missing", param="line_items[0][price_data]")
        price = new_price(world, given["price_data"] | {"active": False})
    quantity = given.get("quantity", 1)
    if quantity < 1:
        message = "Invalid integer: quantity must be at least 1."
        raise invalid(message, param="line_items[0][quantity]", code="parameter_invalid_integer")
    amount = price["unit_amount"] * quantity
    product = world.get("product", price["product"])
    return {
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
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
    if mode == "subscription" and not all(recurring):
        if not any(recurring):
            message = "You must provide at least one recurring price in `subscription` mode."
            raise invalid(message, param="line_items")
        raise not_simulated("one-time prices in `subscription` mode", param="line_items")


def _customer_creation(params: Any) -> str | None:
    if params["mode"] == "subscription" or "customer" in params:
        return None
    chosen: str = params.get("customer_creation", "if_required")
    return chosen


def _consent_collection(params: Any) -> dict[str, Any] | None:
    if "consent_collection" not in params:
        return None
    nothing = ("payment_method_reuse_agreement", "promotions", "terms_of_service")
    collected: dict[str, Any] = dict.fromkeys(nothing) | params["consent_collection"]
    return collected


def _expiry(world: World, params: Any) -> int:
    moment: int = params.get("expires_at", world.now + _LONGEST)
    if not _SHORTEST - 60 <= moment - world.now <= _LONGEST + 60:
        message = "`expires_at` must be between 30 minutes and 24 hours from now."
        raise invalid(message, param="expires_at")
    return moment
