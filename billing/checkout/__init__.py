"""Checkouts: start one, follow what it led to, settle it.

The return page and the webhook end in the same `settle`, so neither waits for the other and
nothing happens twice.
"""

from billing.checkout.at_stripe import finish_opening
from billing.checkout.come_back import Returned, settle_return
from billing.checkout.follow import look_at_invoice, look_at_payment
from billing.checkout.settle import settle
from billing.checkout.start import Started, start_donation, start_subscription

__all__ = [
    "Returned",
    "Started",
    "finish_opening",
    "look_at_invoice",
    "look_at_payment",
    "settle",
    "settle_return",
    "start_donation",
    "start_subscription",
]
