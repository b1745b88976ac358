"""Customers: Stripe's record of a person.

Source: https://docs.stripe.com/api/customers
"""

from sandbox.engine.customer import new_customer, with_address
from sandbox.engine.subscription import ENDED, end
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.metadata import merged
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_FIELDS = "address description email name phone preferred_locales shipping"
_DEFAULT_METHOD = "invoice_settings.default_payment_method"


@operation("POST", "/v1/customers", f"{_FIELDS} metadata")
def create_customer(world: World, call: Call) -> Doc:
    """Create a customer; the e-mail address need not be unique."""
    return new_customer(world, call.picked(f"{_FIELDS} metadata"))


@operation("GET", "/v1/customers/{customer}")
def retrieve_customer(world: World, call: Call) -> Doc:
    """Return a customer; of a deleted one only that it is deleted."""
    doc = world.store.get(call.id)
    if doc is not None and doc["object"] == "customer" and doc.get("deleted"):
        return doc
    return world.get("customer", call.id)


@operation("POST", "/v1/customers/{customer}", f"{_FIELDS} {_DEFAULT_METHOD} metadata")
def update_customer(world: World, call: Call) -> Doc:
    """Change a customer."""
    customer = world.get("customer", call.id)
    fields = with_address(call.picked(_FIELDS))
    if "metadata" in call.params:
        fields["metadata"] = merged(customer["metadata"], call.params["metadata"])
    if "invoice_settings" in call.params:
        method = call.params["invoice_settings"]["default_payment_method"]
        world.get("payment_method", method, param=_DEFAULT_METHOD, status=400)
        settings = customer["invoice_settings"] | {"default_payment_method": method}
        fields["invoice_settings"] = settings
    return world.change(customer, fields, event="customer.updated")


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
