"""Subscriptions, as the API changes, ends and lists them. Checkout is what begins them.

Source: https://docs.stripe.com/api/subscriptions
"""

from typing import Any

from sandbox.engine import subscription as engine
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_PATH = "/v1/subscriptions/{subscription_exposed_id}"
_FIELDS = "default_payment_method description metadata"
_STATUSES = {None: "<> 'canceled'", "all": "<> ''", "ended": "= 'canceled'"}


@operation("POST", _PATH, f"{_FIELDS} cancel_at_period_end")
def update_subscription(world: World, call: Call) -> Doc:
    """Change a subscription: whether it ends, which card pays, what is said of it."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] == "canceled" and call.params.keys() - {"metadata", "expand"}:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise invalid(message)
    fields = call.picked(_FIELDS, subscription)
    if "default_payment_method" in fields:
        method = str(fields["default_payment_method"])
        world.get("payment_method", method, param="default_payment_method", status=400)
    fields |= _ending(world, call, subscription)
    return world.change(subscription, fields, event="customer.subscription.updated")


@operation("DELETE", _PATH)
def cancel_subscription(world: World, call: Call) -> Doc:
    """End a subscription now."""
    subscription = world.get("subscription", call.id)
    if subscription["status"] == "canceled":
        message = f"No such subscription: '{call.id}'"
        raise invalid(message, code="resource_missing", param="id")
    return engine.end(world, subscription, reason="cancellation_requested")


@operation("GET", "/v1/subscriptions", f"customer status {PAGING}")
def list_subscriptions(world: World, call: Call) -> Doc:
    """List subscriptions; those that have ended only if asked."""
    status, field = call.params.get("status"), "json_extract(doc, '$.status')"
    condition = (
        (f"{field} {_STATUSES[status]}",) if status in _STATUSES else (f"{field} = ?", status)
    )
    return page(world, call, "subscription", "customer", and_=condition)


def _ending(world: World, call: Call, subscription: Doc) -> dict[str, Any]:
    """Return the fields that say whether a subscription ends with its period.

    Source: https://docs.stripe.com/billing/subscriptions/cancel
    """
    if "cancel_at_period_end" not in call.params:
        return {}
    ends: bool = call.params["cancel_at_period_end"]
    reason = {"reason": "cancellation_requested" if ends else None}
    return {
        "cancel_at": subscription["items"]["data"][0]["current_period_end"] if ends else None,
        "cancel_at_period_end": ends,
        "canceled_at": world.now if ends else None,
        "cancellation_details": subscription["cancellation_details"] | reason,
    }
