"""Subscription items: one more price is a change of the subscription.

Source: https://docs.stripe.com/api/subscription_items
"""

from sandbox.api.subscriptions import edited, proration_of
from sandbox.engine import changes
from sandbox.engine.subscription import ENDED, items_of
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import first_of

_FIELDS = "price quantity metadata"


@operation(
    "POST",
    "/v1/subscription_items",
    f"subscription {_FIELDS} proration_behavior proration_date",
)
def create_item(world: World, call: Call) -> Doc:
    """Subscribe to one price more."""
    subscription = call.named(world, "subscription")
    if subscription["status"] in ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details.")
    items = edited(world, subscription, [call.picked(_FIELDS)])
    changed = changes.change(world, subscription, {}, items=items, **proration_of(call))
    return items_of(changed)[-1]


@operation("GET", "/v1/subscription_items", "subscription limit")
def list_items(world: World, call: Call) -> Doc:
    """List the items of a subscription."""
    return first_of(items_of(call.named(world, "subscription")), call)
