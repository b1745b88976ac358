"""One file per family of Stripe's operations; importing the package registers them all."""

from sandbox.api import (
    catalogue,
    customers,
    events,
    webhook_endpoints,
)

__all__ = [
    "catalogue",
    "customers",
    "events",
    "webhook_endpoints",
]
