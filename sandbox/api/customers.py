"""Customers: Stripe's record of a person.

Source: https://docs.stripe.com/api/customers
"""

from typing import Any

from sandbox.kernel.calls import PAGING, Call, operation
from sandbox.kernel.ids import token
from sandbox.kernel.metadata import merged
from sandbox.kernel.paging import equals, page
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_FIELDS = "address description email name phone preferred_locales shipping"
_DEFAULT_METHOD = "invoice_settings.default_payment_method"
_NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


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
    fields = _with_address(call.picked(_FIELDS))
    if "metadata" in call.params:
        fields["metadata"] = merged(customer["metadata"], call.params["metadata"])
    if "invoice_settings" in call.params:
        method = call.params["invoice_settings"]["default_payment_method"]
        world.get("payment_method", method, param=_DEFAULT_METHOD, status=400)
        settings = customer["invoice_settings"] | {"default_payment_method": method}
        fields["invoice_settings"] = settings
    return world.change(customer, fields, event="customer.updated")


@operation("GET", "/v1/customers", f"created email {PAGING}")
def list_customers(world: World, call: Call) -> Doc:
    """List customers."""
    return page(world, call, "customer", equals(call, "email"))


def new_customer(world: World, given: dict[str, Any]) -> Doc:
    """Create a customer, from the API or by a Checkout page."""
    fields = _with_address(given) | {"metadata": merged(None, given.get("metadata"))}
    settings = ("custom_fields", "default_payment_method", "footer", "rendering_options")
    defaults = {
        "address": None,
        "balance": 0,
        "currency": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": token(8).upper(),
        "invoice_settings": dict.fromkeys(settings),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "tax_exempt": "none",
        "test_clock": None,
    }
    return world.create("customer", defaults | fields, event="customer.created")


def _with_address(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("address"):
        fields["address"] = _NO_ADDRESS | fields["address"]
    return fields
