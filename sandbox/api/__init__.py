"""One file per family of Stripe's operations; importing the package registers them all."""

from sandbox.api import (  # noqa: F401 - for what they register
    balance,
    catalogue,
    checkout,
    coupons,
    customers,
    disputes,
    events,
    invoiceitems,
    invoices,
    payment_intents,
    payment_methods,
    payouts,
    portal,
    reading,
    refunds,
    subscription_items,
    subscriptions,
    test_clocks,
    webhook_endpoints,
)
