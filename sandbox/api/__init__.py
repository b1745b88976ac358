"""One file per family of Stripe's operations; importing the package registers them all."""

from sandbox.api import (  # noqa: F401 - for what they register
    catalogue,
    checkout,
    customers,
    events,
    reading,
    refunds,
    subscriptions,
    webhook_endpoints,
)
