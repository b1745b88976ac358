"""Stripe's documented test cards: what each does now, and what when a subscription renews.

A real card number is refused before anything is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final


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
    def grouped(self) -> str:
        """The number as it is printed on a card."""
        return " ".join(self.number[i : i + 4] for i in range(0, 16, 4))

    @property
    def fingerprint(self) -> str:
        """The same for the same number, as Stripe's is."""
        return sha256(self.number.encode()).hexdigest()[:16]


# Source: https://docs.stripe.com/testing
_ALL: Final = (
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
CARDS: Final[Mapping[str, Card]] = {card.number: card for card in _ALL}
# What the API may attach without a page.
TEST_NAMES: Final[Mapping[str, Card]] = {
    "pm_card_visa": CARDS["4242424242424242"],
    "pm_card_chargeCustomerFail": CARDS["4000000000000341"],
}


def card_of(method: Mapping[str, Any]) -> Card:
    """Return the test card behind a stored payment method."""
    fingerprint = method["card"]["fingerprint"]
    return next(card for card in _ALL if card.fingerprint == fingerprint)
