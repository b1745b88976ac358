"""Customers, Stripe's record of a person, and the means of payment that are theirs.

Source: https://docs.stripe.com/api/customers
Source: https://docs.stripe.com/api/payment_methods
"""

from sandbox.engine import method as engine
from sandbox.engine.subscription import ENDED, end
from sandbox.kernel.calls import Call, Doc, World, operation

_FIELDS = "balance description email metadata name phone"
_METHOD = "/v1/payment_methods/{payment_method}"


@operation("POST", "/v1/customers", f"{_FIELDS} test_clock")
def create_customer(world: World, call: Call) -> Doc:
    """Create a customer; the e-mail address need not be unique."""
    if "test_clock" in call.params:
        ident = call.params["test_clock"]
        world.get("test_helpers.test_clock", ident, param="test_clock", status=400)
    return engine.new_customer(world, call.picked(f"{_FIELDS} test_clock"))


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
        method = settings["default_payment_method"] or None
        customer = engine.set_default(world, customer, method)
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


@operation("POST", f"{_METHOD}/attach", "customer")
def attach_payment_method(world: World, call: Call) -> Doc:
    """Give a payment method to a customer."""
    customer = call.named(world, "customer")
    return engine.attach(world, engine.named(world, call.id), customer["id"])


@operation("POST", f"{_METHOD}/detach")
def detach_payment_method(world: World, call: Call) -> Doc:
    """Take a payment method from its customer for good."""
    return engine.detach(world, world.get("payment_method", call.id))
