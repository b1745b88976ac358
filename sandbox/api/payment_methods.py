"""Payment methods, as the API lists, changes, keeps and lets go of them.

Source: https://docs.stripe.com/api/payment_methods
"""

from sandbox.engine import method as engine
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_ONE = "/v1/payment_methods/{payment_method}"


@operation("GET", "/v1/customers/{customer}/payment_methods", f"type {PAGING}")
def list_payment_methods_of(world: World, call: Call) -> Doc:
    """List a customer's payment methods."""
    customer = world.get("customer", call.id)
    mine = ("json_extract(doc, '$.customer') = ?", customer["id"])
    return page(world, call, "payment_method", "type", and_=mine)


@operation("POST", _ONE, "allow_redisplay card.exp_month card.exp_year metadata")
def update_payment_method(world: World, call: Call) -> Doc:
    """Change what is known of a customer's payment method, such as a card's new expiry."""
    method = world.get("payment_method", call.id)
    if not method["customer"]:
        message = "You must save this PaymentMethod to a customer before you can update it."
        raise invalid(message)
    fields = call.picked("allow_redisplay metadata", method)
    if "card" in call.params:
        fields["card"] = method["card"] | call.params["card"]
    return world.change(method, fields, event="payment_method.updated")


@operation("POST", f"{_ONE}/attach", "customer")
def attach_payment_method(world: World, call: Call) -> Doc:
    """Give a payment method to a customer."""
    call.need("customer")
    customer = world.get("customer", call.params["customer"], param="customer", status=400)
    return engine.attach(world, engine.named(world, call.id), customer["id"])


@operation("POST", f"{_ONE}/detach")
def detach_payment_method(world: World, call: Call) -> Doc:
    """Take a payment method from its customer for good."""
    return engine.detach(world, world.get("payment_method", call.id))
