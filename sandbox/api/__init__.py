"""One file per family of Stripe's operations; importing the package registers them all."""

from sandbox.api import (  # noqa: F401 - for what they register
    balance,
    catalogue,
    checkout,
    customers,
    disputes,
    events,
    payouts,
    reading,
    refunds,
    subscriptions,
    webhook_endpoints,
)
