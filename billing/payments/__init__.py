"""Payments, refunds and the movements of our balance: a mirror of Stripe, and what follows."""

from billing.payments.apply import apply
from billing.payments.customers import link_customer, reader_of
from billing.payments.movements import record_movement
from billing.payments.receipts import address_for, receipt_for

__all__ = [
    "address_for",
    "apply",
    "link_customer",
    "reader_of",
    "receipt_for",
    "record_movement",
]
