"""Subscriptions, as the API makes, changes, ends and shows them.

Source: https://docs.stripe.com/api/subscriptions
"""

from typing import Any

from sandbox.engine import subscription as engine
from sandbox.errors import invalid, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.metadata import merged
from sandbox.kernel.paging import PAGING, page, page_of
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PATH = "/v1/subscriptions/{subscription_exposed_id}"
_WORDS = "cancellation_details.comment cancellation_details.feedback"


@operation(
    "POST",
    "/v1/subscriptions",
    "customer items.price items.quantity default_payment_method description metadata "
    "payment_behavior off_session",
)
def create_subscription(world: World, call: Call) -> Doc:
    """Subscribe a customer, charging the card on file."""
    params = call.params
    for name in ("customer", "items"):
        if name not in params:
            message = f"Missing required param: {name}."
            raise invalid(message, param=name, code="parameter_missing")
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if behaviour not in {"allow_incomplete", "error_if_incomplete"}:
        raise not_simulated(f"payment_behavior={behaviour}", param="payment_behavior")
    customer = world.get("customer", params["customer"], param="customer", status=400)
    order = engine.Order(
        customer=customer["id"],
        lines=[_line(world, item) for item in params["items"]],
        method=_method(world, call),
        metadata=merged(None, params.get("metadata")),
        description=params.get("description"),
    )
    return engine.start(world, order, or_fail=behaviour == "error_if_incomplete")


@operation(
    "POST",
    _PATH,
    f"cancel_at cancel_at_period_end {_WORDS} default_payment_method description metadata",
)
def update_subscription(world: World, call: Call) -> Doc:
    """Change a subscription: when it ends, which card pays, what is said of it."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] in engine.ENDED:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        if call.params.keys() - {"cancellation_details", "metadata", "expand"}:
            raise invalid(message)
    fields = call.picked("description")
    if "default_payment_method" in call.params:
        fields["default_payment_method"] = _method(world, call)
    if "metadata" in call.params:
        fields["metadata"] = merged(subscription["metadata"], call.params["metadata"])
    fields |= _ending(world, call, subscription)
    return world.change(subscription, fields, event="customer.subscription.updated")


@operation("DELETE", _PATH, _WORDS)
def cancel_subscription(world: World, call: Call) -> Doc:
    """End a subscription now."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] in engine.ENDED:
        message = f"No such subscription: '{call.id}'"
        raise invalid(message, code="resource_missing", param="id")
    words = _words(call)
    return engine.end(world, subscription, reason="cancellation_requested", details=words)


@operation("GET", "/v1/subscriptions", f"customer price status {PAGING}")
def list_subscriptions(world: World, call: Call) -> Doc:
    """List subscriptions; those that have ended only if asked."""
    status, field = call.params.get("status"), "json_extract(doc, '$.status')"
    fitting = {None: f"{field} <> 'canceled'", "all": "1"}
    fitting["ended"] = f"{field} IN ('canceled', 'incomplete_expired')"
    filters = f"customer price:items.data[0].price.id {'' if status in fitting else 'status'}"
    return page(world, call, "subscription", filters, and_=(fitting.get(status, "1"),))


@operation("GET", "/v1/subscription_items", f"subscription {PAGING}")
def list_items(world: World, call: Call) -> Doc:
    """List the items of a subscription."""
    ident = call.params["subscription"]
    subscription = world.get("subscription", ident, param="subscription", status=400)
    return page_of(subscription["items"]["data"], call)


def _line(world: World, item: dict[str, Any]) -> tuple[Doc, int]:
    if "price" not in item:
        message = "Missing required param: items[0][price]."
        raise invalid(message, param="items[0][price]", code="parameter_missing")
    price = world.get("price", item["price"], param="items[0][price]", status=400)
    if price["type"] != "recurring" or not price["active"]:
        raise invalid("The price must be active and recurring.", param="items[0][price]")
    return price, item.get("quantity", 1)


def _method(world: World, call: Call) -> str | None:
    ident: str | None = call.params.get("default_payment_method") or None
    if ident is not None:
        world.get("payment_method", ident, param="default_payment_method", status=400)
    return ident


def _ending(world: World, call: Call, subscription: Doc) -> dict[str, Any]:
    """Return the fields that say when a subscription ends, asked for in one of two ways.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    params = call.params
    if {"cancel_at", "cancel_at_period_end"} <= params.keys():
        message = "You may only specify one of these parameters: cancel_at, cancel_at_period_end."
        raise invalid(message, param="cancel_at")
    words = subscription["cancellation_details"] | _words(call)
    if not {"cancel_at", "cancel_at_period_end"} & params.keys():
        return {"cancellation_details": words} if "cancellation_details" in params else {}
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    at_end = params.get("cancel_at_period_end", False)
    moment = max(ends) if at_end else params.get("cancel_at") or None
    named = {"min_period_end": min(ends), "max_period_end": max(ends)}
    moment = named.get(str(moment), moment)
    if moment is not None and moment <= world.now:
        raise invalid("`cancel_at` must be in the future.", param="cancel_at")
    reason = "cancellation_requested" if moment else None
    if moment:
        world.schedule(moment, "subscription.due", subscription["id"])
    return {
        "cancel_at": moment,
        "cancel_at_period_end": at_end,
        "canceled_at": world.now if moment else None,
        "cancellation_details": words | {"reason": reason},
    }


def _words(call: Call) -> dict[str, str | None]:
    given = call.params.get("cancellation_details", {})
    return {name: value or None for name, value in given.items()}
