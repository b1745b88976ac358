"""One file per family of Stripe's operations; importing the package registers them all."""

from sandbox.api import (
    catalogue,
    checkout,
    customers,
    events,
    invoices,
    payments,
    reading,
    refunds,
    subscriptions,
    webhook_endpoints,
)

__all__ = [
    "catalogue",
    "checkout",
    "customers",
    "events",
    "invoices",
    "payments",
    "reading",
    "refunds",
    "subscriptions",
    "webhook_endpoints",
]
