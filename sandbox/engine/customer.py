"""Making a customer: the API does it, and so does a Checkout page."""

from typing import Any

from sandbox.kernel.ids import token
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


def new_customer(world: World, given: dict[str, Any]) -> Doc:
    """Create a customer, from the API or by a Checkout page."""
    empty = dict.fromkeys(("address", "currency", "discount", "name", "phone", "test_clock"))
    settings = ("custom_fields", "default_payment_method", "footer", "rendering_options")
    defaults: dict[str, Any] = {
        "balance": 0,
        "delinquent": False,
        "invoice_prefix": token(8).upper(),
        "invoice_settings": dict.fromkeys(settings),
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
    }
    return world.create("customer", empty | defaults | given, event="customer.created")
