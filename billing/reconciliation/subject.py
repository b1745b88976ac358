"""What may be looked at again: the kinds of objects at Stripe on which everything else hangs."""

import enum
from dataclasses import dataclass


class SubjectKind(enum.StrEnum):
    """The objects we look at again; everything else hangs on one of them."""

    CHECKOUT = "checkout"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    PAYMENT = "payment"  # a payment intent, with its charge and its refunds
    CUSTOMER = "customer"
    PAYMENT_METHOD = "payment_method"
    MANDATE = "mandate"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    PRICE = "price"  # all that Stripe sells for us, compared with the catalogue
    ACCOUNT = "account"  # our own, and what it may do
    BALANCE = "balance"  # our own: its movements are walked
    QUESTION = "question"  # an early fraud warning, a review, a credit note: for staff to answer


@dataclass(frozen=True, slots=True)
class Subject:
    """One object at Stripe that somebody says has changed; written `subscription:sub_1`."""

    kind: SubjectKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"
