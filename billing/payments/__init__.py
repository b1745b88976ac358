"""Payments, refunds, disputes and payouts, and the movements of our balance: a mirror of Stripe."""

from billing.payments.account import look_at_account, look_at_question, open_questions
from billing.payments.address import reader_address
from billing.payments.apply import apply
from billing.payments.customers import link_customer, look_at_customer, reader_of
from billing.payments.disputes import look_at_dispute
from billing.payments.foreign import is_foreign
from billing.payments.methods import (
    PaidFrom,
    get_to_know_mandate,
    get_to_know_method,
    look_at_mandate,
    look_at_payment_method,
    paid_from,
)
from billing.payments.movements import record_movement
from billing.payments.payouts import look_at_payout
from billing.payments.receipts import address_for, receipt_for
from billing.payments.refund import finish_refund, refund

__all__ = [
    "PaidFrom",
    "address_for",
    "apply",
    "finish_refund",
    "get_to_know_mandate",
    "get_to_know_method",
    "is_foreign",
    "link_customer",
    "look_at_account",
    "look_at_customer",
    "look_at_dispute",
    "look_at_mandate",
    "look_at_payment_method",
    "look_at_payout",
    "look_at_question",
    "open_questions",
    "paid_from",
    "reader_address",
    "reader_of",
    "receipt_for",
    "record_movement",
    "refund",
]
