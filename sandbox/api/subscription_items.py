"""Subscription items: each change of one is a change of its subscription.

Source: https://docs.stripe.com/api/subscription_items
"""

from typing import Any, Final

from sandbox.api.subscriptions import edited, proration_of
from sandbox.engine import changes
from sandbox.engine.subscription import ENDED, items_of
from sandbox.errors import invalid, missing
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import first_of
from sandbox.kernel.store import Doc
from sandbox.kernel.test_clock import living
from sandbox.kernel.world import World

_PATH: Final = "/v1/subscription_items/{item}"
_FIELDS: Final = "price quantity metadata proration_behavior proration_date"
_HAS: Final = "? IN (SELECT json_extract(value, '$.id') FROM json_each(doc, '$.items.data'))"


@operation("POST", "/v1/subscription_items", f"subscription {_FIELDS}")
def create_item(world: World, call: Call) -> Doc:
    """Subscribe to one price more."""
    ident = call.params["subscription"]
    subscription = world.get("subscription", ident, param="subscription", status=400)
    before = {item["id"] for item in items_of(subscription)}
    changed = _changed(world, call, subscription, call.picked("price quantity metadata"))
    return next(item for item in items_of(changed) if item["id"] not in before)


@operation("GET", _PATH)
def retrieve_item(world: World, call: Call) -> Doc:
    """Return an item."""
    return _item(_holder(world, call.id), call.id)


@operation("POST", _PATH, _FIELDS)
def update_item(world: World, call: Call) -> Doc:
    """Change the price or the quantity of an item."""
    given = {"id": call.id} | call.picked("price quantity metadata")
    return _item(_changed(world, call, _holder(world, call.id), given), call.id)


@operation("DELETE", _PATH, "proration_behavior proration_date")
def delete_item(world: World, call: Call) -> Doc:
    """Take an item out of its subscription, which must keep another."""
    _changed(world, call, _holder(world, call.id), {"id": call.id, "deleted": True})
    return {"id": call.id, "object": "subscription_item", "deleted": True}


@operation("GET", "/v1/subscription_items", "subscription limit")
def list_items(world: World, call: Call) -> Doc:
    """List the items of a subscription."""
    ident = call.params["subscription"]
    subscription = world.get("subscription", ident, param="subscription", status=400)
    return first_of(items_of(subscription), call)


def _changed(world: World, call: Call, subscription: Doc, given: dict[str, Any]) -> Doc:
    if subscription["status"] in ENDED:
        raise invalid("A canceled subscription can only update its cancellation_details.")
    with living(world, subscription["id"]):
        items = edited(world, subscription, [given])
        return changes.change(world, subscription, {}, items=items, **proration_of(call))


def _holder(world: World, ident: str) -> Doc:
    for subscription in world.store.find("subscription", clauses=[(_HAS, ident)], limit=1):
        return subscription
    raise missing("subscription_item", ident)


def _item(subscription: Doc, ident: str) -> Doc:
    return next(item for item in items_of(subscription) if item["id"] == ident)
