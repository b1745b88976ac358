"""Stripe's documented test accounts for Bacs Direct Debit, and the days a debit takes.

A real account number is refused before anything is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, Final

from sandbox.engine.cards import Decline

SORT_CODE: Final = "108800"
# Business days: until a new mandate is active, and until a debit is known to have succeeded.
# Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
MANDATE_DAYS: Final = 3
DEBIT_DAYS: Final = 4
FIRST_DEBIT_DAYS: Final = 7

_NO_FUNDS: Final = Decline("", "The account has insufficient funds.", "insufficient_funds")
UNAUTHORIZED: Final = Decline(
    "", "The customer has told their bank that this was unauthorized.", "debit_not_authorized"
)
NO_MANDATE: Final = Decline(
    "",
    "The provided mandate is invalid and can not be used for the payment intent.",
    "payment_intent_mandate_invalid",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One test bank account.

    Attributes:
        failure: why a debit fails, if it does; nobody knows for days.
        refused: the bank does not accept the mandate.
        valid: whether the payment page takes it at all.
        disputed: the customer claims every debit back.
    """

    number: str
    about: str
    failure: Decline | None = None
    refused: bool = False
    valid: bool = True
    disputed: bool = False
    now: ClassVar[Decline | None] = None  # a bank is not there to refuse, nor to ask
    asks: ClassVar[bool] = False

    @property
    def fingerprint(self) -> str:
        """The same for the same account, as Stripe's is."""
        return sha256(f"{SORT_CODE}{self.number}".encode()).hexdigest()[:16]


# Of each pair that differs only in a delay of three minutes, one: here a debit takes its days.
# Source: https://docs.stripe.com/payments/bacs-debit/accept-a-payment#testing
_ALL: Final = (
    Account("00012345", "is paid"),
    Account("22222227", "fails: insufficient funds", failure=_NO_FUNDS),
    Account("33333335", "fails: not authorized; the mandate ends", failure=UNAUTHORIZED),
    Account("00033333", "fails: the bank refuses the mandate", failure=UNAUTHORIZED, refused=True),
    Account("55555559", "is paid, and disputed", disputed=True),
    Account("00044444", "is not accepted on this page", valid=False),
)
ACCOUNTS: Final[Mapping[str, Account]] = {account.number: account for account in _ALL}


def account_of(method: Mapping[str, Any]) -> Account:
    """Return the test account behind a stored payment method."""
    fingerprint = method["bacs_debit"]["fingerprint"]
    return next(account for account in _ALL if account.fingerprint == fingerprint)
