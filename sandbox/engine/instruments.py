"""Stripe's documented test cards and accounts: what each does now, and when nobody is there.

A real card or account number is refused before anything is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, Final

SORT_CODE: Final = "108800"


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a payment was refused, in Stripe's words.

    Attributes:
        decline_code: the issuer's reason; of a refusal that is no card's, empty.
        code: Stripe's error code.
    """

    decline_code: str
    message: str
    code: str = "card_declined"


_GENERIC: Final = Decline("generic_decline", "Your card was declined.")
_NO_FUNDS: Final = Decline("insufficient_funds", "Your card has insufficient funds.")
_EXPIRED: Final = Decline("expired_card", "Your card has expired.", "expired_card")
AUTHENTICATE: Final = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
_EMPTY: Final = Decline("", "The account has insufficient funds.", "insufficient_funds")
UNAUTHORIZED: Final = Decline(
    "", "The customer has told their bank that this was unauthorized.", "debit_not_authorized"
)
NO_MANDATE: Final = Decline(
    "",
    "The provided mandate is invalid and can not be used for the payment intent.",
    "payment_intent_mandate_invalid",
)


@dataclass(frozen=True, slots=True)
class Card:
    """One test card.

    Attributes:
        now: the decline a payment by the cardholder meets, if any.
        later: the decline a payment without the cardholder meets, if any.
        asks: the cardholder, when there, must authenticate first.
        disputed: the cardholder disputes every payment.
    """

    number: str
    about: str
    now: Decline | None = None
    later: Decline | None = None
    asks: bool = False
    disputed: bool = False

    @property
    def shown(self) -> str:
        """The number as it is printed on a card."""
        return " ".join(self.number[i : i + 4] for i in range(0, 16, 4))


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
    later: ClassVar[Decline | None] = None
    asks: ClassVar[bool] = False

    @property
    def shown(self) -> str:
        """The number as it is written."""
        return self.number


Instrument = Card | Account
# Source: https://docs.stripe.com/testing
_TEST_CARDS: Final = (
    Card("4242424242424242", "is paid"),
    Card("4000000000000002", "is declined", now=_GENERIC, later=_GENERIC),
    Card("4000000000009995", "is declined: insufficient funds", now=_NO_FUNDS, later=_NO_FUNDS),
    Card("4000000000000069", "is declined: expired", now=_EXPIRED, later=_EXPIRED),
    Card("4000000000000341", "is paid now, and declined when it renews", later=_GENERIC),
    Card("4000002760003155", "asks for 3-D Secure now, and not when it renews", asks=True),
    Card("4000002760003184", "asks for 3-D Secure every time", later=AUTHENTICATE, asks=True),
    Card("4000000000000259", "is paid, and disputed", disputed=True),
    Card("4000000000007726", "is paid; a refund takes days"),
    Card("4000000000005126", "is paid; a refund fails days later"),
)
# Of each pair that differs only in a delay of three minutes, one: here a debit takes its days.
# Source: https://docs.stripe.com/payments/bacs-debit/accept-a-payment#testing
_TEST_ACCOUNTS: Final = (
    Account("00012345", "is paid"),
    Account("22222227", "fails: insufficient funds", failure=_EMPTY),
    Account("33333335", "fails: not authorized; the mandate ends", failure=UNAUTHORIZED),
    Account("00033333", "fails: the bank refuses the mandate", failure=UNAUTHORIZED, refused=True),
    Account("55555559", "is paid, and disputed", disputed=True),
    Account("00044444", "is not accepted on this page", valid=False),
)
CARDS: Final[Mapping[str, Card]] = {card.number: card for card in _TEST_CARDS}
ACCOUNTS: Final[Mapping[str, Account]] = {account.number: account for account in _TEST_ACCOUNTS}
# What the API may attach without a page.
TEST_NAMES: Final[Mapping[str, Card]] = {
    "pm_card_visa": CARDS["4242424242424242"],
    "pm_card_chargeCustomerFail": CARDS["4000000000000341"],
    "pm_card_createDispute": CARDS["4000000000000259"],
}


def fingerprint(instrument: Instrument) -> str:
    """Return what is the same for the same number, as Stripe's is."""
    return sha256(instrument.number.encode()).hexdigest()[:16]


def account_of(method: Mapping[str, Any]) -> Account:
    """Return the test account behind a stored payment method."""
    wanted = method["bacs_debit"]["fingerprint"]
    return next(each for each in _TEST_ACCOUNTS if fingerprint(each) == wanted)


def instrument_of(method: Mapping[str, Any]) -> Instrument:
    """Return the test card or account behind a stored payment method."""
    if method["type"] != "card":
        return account_of(method)
    return next(each for each in _TEST_CARDS if fingerprint(each) == method["card"]["fingerprint"])
