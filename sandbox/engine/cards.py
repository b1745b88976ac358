"""Stripe's documented test cards: what each does now, and what when a subscription renews.

A real card number is refused before anything is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Decline:
    """Why the bank said no, in Stripe's words."""

    decline_code: str
    message: str
    code: str = "card_declined"


GENERIC: Final = Decline("generic_decline", "Your card was declined.")
NO_FUNDS: Final = Decline("insufficient_funds", "Your card has insufficient funds.")


@dataclass(frozen=True, slots=True)
class Card:
    """One test card.

    Attributes:
        region: which fee applies (`engine.fees`).
        now: the decline a payment by the cardholder meets, if any.
        later: the decline a payment without the cardholder meets, if any.
    """

    number: str
    about: str
    brand: str = "visa"
    country: str = "GB"
    region: str = "uk"
    now: Decline | None = None
    later: Decline | None = None

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
    Card("5555555555554444", "is paid (Mastercard)", brand="mastercard"),
    Card("4000008260000000", "is paid (another British card)"),
    Card("4000000560000004", "is paid (Belgian: the European fee)", country="BE", region="eea"),
    Card(
        "4000000360000006",
        "is paid (Australian: the international fee)",
        country="AU",
        region="international",
    ),
    Card("4000000000000002", "is declined", now=GENERIC, later=GENERIC),
    Card("4000000000009995", "is declined: insufficient funds", now=NO_FUNDS, later=NO_FUNDS),
    Card("4000000000000341", "is paid now, and declined when it renews", later=GENERIC),
)
CARDS: Final[Mapping[str, Card]] = {card.number: card for card in _ALL}
_BY_FINGERPRINT: Final = {card.fingerprint: card for card in _ALL}


def card_of(method: Mapping[str, Any]) -> Card:
    """Return the test card behind a stored payment method."""
    return _BY_FINGERPRINT[method["card"]["fingerprint"]]
