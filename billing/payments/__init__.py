"""Payments, refunds, disputes and payouts, and the movements of our balance: a mirror of Stripe."""

from billing.payments.account import look_at_account, look_at_question
from billing.payments.apply import apply
from billing.payments.customers import link_customer, reader_of
from billing.payments.disputes import look_at_dispute
from billing.payments.movements import record_movement
from billing.payments.payouts import look_at_payout
from billing.payments.receipts import address_for, receipt_for

__all__ = [
    "address_for",
    "apply",
    "link_customer",
    "look_at_account",
    "look_at_dispute",
    "look_at_payout",
    "look_at_question",
    "reader_of",
    "receipt_for",
    "record_movement",
]
