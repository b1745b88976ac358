"""Customers: Stripe's record of a person.

Source: https://docs.stripe.com/api/customers
"""

from sandbox.engine.customer import new_customer
from sandbox.engine.method import set_default
from sandbox.engine.subscription import ENDED, end
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_FIELDS = "balance description email metadata name phone"


@operation("POST", "/v1/customers", f"{_FIELDS} test_clock")
def create_customer(world: World, call: Call) -> Doc:
    """Create a customer; the e-mail address need not be unique."""
    if "test_clock" in call.params:
        ident = call.params["test_clock"]
        world.get("test_helpers.test_clock", ident, param="test_clock", status=400)
    return new_customer(world, call.picked(f"{_FIELDS} test_clock"))


@operation("GET", "/v1/customers/{customer}")
def retrieve_customer(world: World, call: Call) -> Doc:
    """Return a customer; of a deleted one only that it is deleted."""
    doc = world.store.get(call.id)
    if doc is not None and doc["object"] == "customer" and doc.get("deleted"):
        return doc
    return world.get("customer", call.id)


@operation(
    "POST",
    "/v1/customers/{customer}",
    f"{_FIELDS} invoice_settings.default_payment_method",
)
def update_customer(world: World, call: Call) -> Doc:
    """Change a customer."""
    customer = world.get("customer", call.id)
    settings = call.params.get("invoice_settings", {})
    if "default_payment_method" in settings:
        customer = set_default(world, customer, settings["default_payment_method"] or None)
    return world.change(customer, call.picked(_FIELDS, customer), event="customer.updated")


@operation("DELETE", "/v1/customers/{customer}")
def delete_customer(world: World, call: Call) -> Doc:
    """Delete a customer for good; its subscriptions end at once.

    Source: https://docs.stripe.com/api/customers/delete
    """
    customer = world.get("customer", call.id)
    for subscription in world.store.find("subscription", {"customer": customer["id"]}):
        if subscription["status"] not in ENDED:
            end(world, subscription, reason="cancellation_requested")
    return world.delete(customer, event="customer.deleted")
