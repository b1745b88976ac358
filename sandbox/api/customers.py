"""Customers: Stripe's record of a person.

Source: https://docs.stripe.com/api/customers
"""

from sandbox.engine.customer import new_customer
from sandbox.engine.subscription import end
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_FIELDS = "description email metadata name phone"


@operation("POST", "/v1/customers", _FIELDS)
def create_customer(world: World, call: Call) -> Doc:
    """Create a customer; the e-mail address need not be unique."""
    return new_customer(world, call.picked(_FIELDS))


@operation("GET", "/v1/customers/{customer}")
def retrieve_customer(world: World, call: Call) -> Doc:
    """Return a customer; of a deleted one only that it is deleted."""
    doc = world.store.get(call.id)
    if doc is not None and doc["object"] == "customer" and doc.get("deleted"):
        return doc
    return world.get("customer", call.id)


@operation("POST", "/v1/customers/{customer}", _FIELDS)
def update_customer(world: World, call: Call) -> Doc:
    """Change a customer."""
    customer = world.get("customer", call.id)
    return world.change(customer, call.picked(_FIELDS, customer), event="customer.updated")


@operation("DELETE", "/v1/customers/{customer}")
def delete_customer(world: World, call: Call) -> Doc:
    """Delete a customer for good; its subscriptions end at once.

    Source: https://docs.stripe.com/api/customers/delete
    """
    customer = world.get("customer", call.id)
    for subscription in world.store.find("subscription", {"customer": customer["id"]}):
        if subscription["status"] != "canceled":
            end(world, subscription, reason="cancellation_requested")
    return world.delete(customer, event="customer.deleted")
