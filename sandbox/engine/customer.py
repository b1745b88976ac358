"""Making a customer: the API does it, and so does a Checkout page."""

from typing import Any

from sandbox.kernel.ids import token
from sandbox.kernel.metadata import merged
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def new_customer(world: World, given: dict[str, Any]) -> Doc:
    """Create a customer, from the API or by a Checkout page."""
    fields = with_address(given) | {"metadata": merged(None, given.get("metadata"))}
    settings = ("custom_fields", "default_payment_method", "footer", "rendering_options")
    defaults: dict[str, Any] = {
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


def with_address(fields: dict[str, Any]) -> dict[str, Any]:
    """Give an address all its lines, empty ones too."""
    if fields.get("address"):
        fields["address"] = _NO_ADDRESS | fields["address"]
    return fields
