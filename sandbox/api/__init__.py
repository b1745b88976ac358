"""One file per family of Stripe's operations; importing the package registers them all."""

from sandbox.api import (  # noqa: F401 - for what they register
    catalogue,
    checkout,
    coupons,
    customers,
    events,
    invoiceitems,
    invoices,
    money,
    portal,
    reading,
    subscription_items,
    subscriptions,
    test_clocks,
)
