"""Checkout Sessions, as the API makes and expires them.

Source: https://docs.stripe.com/api/checkout/sessions
"""

from typing import Any

from sandbox.api.catalogue import new_price
from sandbox.engine import checkout, discounts
from sandbox.errors import invalid, lacking, not_simulated
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import first_of

_PLAIN = (
    "allow_promotion_codes allowed_payment_method_types cancel_url client_reference_id customer "
    "customer_email excluded_payment_method_types expires_at locale metadata mode "
    "payment_method_collection submit_type success_url"
)
_PRICE_DATA = "line_items.price_data"
_TOO_SMALL, _TOO_LARGE = 30, 99_999_999
_HALF_AN_HOUR, _DAY = 1800, 86400
# What each mode is given for the object it will make.
_DATA = {
    "payment": "payment_intent_data",
    "setup": "setup_intent_data",
    "subscription": "subscription_data",
}


@operation(
    "POST",
    "/v1/checkout/sessions",
    f"{_PLAIN} currency discounts.coupon discounts.promotion_code line_items.price "
    f"line_items.quantity {_PRICE_DATA}.currency {_PRICE_DATA}.product "
    f"{_PRICE_DATA}.product_data.name {_PRICE_DATA}.unit_amount "
    "payment_intent_data.description payment_intent_data.metadata "
    "payment_intent_data.setup_future_usage setup_intent_data.metadata "
    "subscription_data.metadata subscription_data.trial_end subscription_data.trial_period_days",
)
def create_session(world: World, call: Call) -> Doc:
    """Open a hosted payment page."""
    params = call.params
    _check(world, call)
    data = params.get(_DATA[params["mode"]], {})
    free = bool({"trial_end", "trial_period_days"} & data.keys())
    items = [_priced(world, given, free=free) for given in params.get("line_items", [])]
    currency = _currency(call, items)
    asked, customer = params.get("discounts", ()), params.get("customer")
    grants = discounts.apply(world, asked, customer=customer, currency=currency or "")
    fields = call.picked(_PLAIN)
    fields |= {"payment_method_types": _offered(world, call, currency), "currency": currency}
    session = checkout.open_session(world, fields, items, data)
    session = checkout.reduce(world, session, grants) if grants else session
    if params["mode"] == "payment" and not _TOO_SMALL <= session["amount_total"] <= _TOO_LARGE:
        code = "amount_too_small" if session["amount_total"] < _TOO_SMALL else "amount_too_large"
        raise invalid("The total must be between 0.30 and 999,999.99.", code=code)
    return session


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


@operation("GET", "/v1/checkout/sessions/{session}/line_items", "limit")
def list_line_items(world: World, call: Call) -> Doc:
    """List what a session sells."""
    session = world.get("checkout.session", call.id)
    return first_of(world.store.children(session["id"], "item"), call)


def _check(world: World, call: Call) -> None:
    """Refuse what Stripe refuses."""
    params = call.params
    call.need("mode", "success_url", *([] if params.get("mode") == "setup" else ["line_items"]))
    for pair in (("customer", "customer_email"), ("allow_promotion_codes", "discounts")):
        if set(pair) <= params.keys():
            message = f"You may only specify one of these parameters: {', '.join(pair)}."
            raise invalid(message, param=pair[1])
    if "customer" in params:
        world.get("customer", params["customer"], param="customer", status=400)
    others = {name for mode, name in _DATA.items() if mode != params["mode"]}
    if params["mode"] != "subscription":
        others |= {"payment_method_collection"}
    for other in sorted(others & params.keys()):
        raise invalid(f"You can not pass `{other}` in `{params['mode']}` mode.", param=other)
    life = params.get("expires_at", world.now + _DAY) - world.now
    if not _HALF_AN_HOUR <= life <= _DAY:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise invalid(message, param="expires_at")


def _currency(call: Call, items: list[dict[str, Any]]) -> str | None:
    """Check what is sold, and return the one currency it is sold in."""
    if call.params["mode"] == "setup":
        given: str | None = call.params.get("currency")
        return given
    if "currency" in call.params:
        raise not_simulated("the parameter currency where prices have one", param="currency")
    _check_items(items, call.params["mode"])
    currency: str = items[0]["currency"]
    return currency


def _offered(world: World, call: Call, currency: str | None) -> list[str]:
    """Return the ways to pay the page offers: those the account has enabled, then filtered."""
    # Source: https://docs.stripe.com/payments/payment-methods/dynamic-payment-methods
    enabled = ["card", "bacs_debit"] if world.store.setting("bacs_debit", 0) else ["card"]
    allowed = call.params.get("allowed_payment_method_types", enabled)
    excluded = call.params.get("excluded_payment_method_types", [])
    kinds = [
        kind
        for kind in enabled
        if kind in allowed and kind not in excluded and (kind == "card" or currency == "gbp")
    ]
    if not kinds:
        raise invalid("No valid payment method types for this Checkout Session.")
    return kinds


def _priced(world: World, given: dict[str, Any], *, free: bool) -> dict[str, Any]:
    """Turn one line of the request into a line item with its amounts, none during a trial."""
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
    amount = 0 if free else price["unit_amount"] * quantity
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
    subscribing = mode == "subscription"
    refusals = {
        "Pass line items, all in one currency.": len({item["currency"] for item in items}) != 1,
        "You specified `payment` mode but passed a recurring price. Either switch to "
        "`subscription` mode or use only one-time prices.": not subscribing and any(recurring),
        "You must provide at least one recurring price in `subscription` mode.": subscribing
        and not any(recurring),
    }
    for message, wrong in refusals.items():
        if wrong:
            raise invalid(message, param="line_items")
    if subscribing and not all(recurring):
        raise not_simulated("one-time prices in `subscription` mode", param="line_items")
