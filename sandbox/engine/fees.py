"""What Stripe keeps, and when money is available: settings, and only as true as they need be.

The product reads fees from balance transactions and never computes one, so a wrong number here
makes a demonstration unrealistic and nothing wrong.

Source: https://support.stripe.com/questions/pricing-updates-for-businesses-in-the-united-kingdom
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

# A British card: hundredths of a per cent, and minor units on top.
SHARE: Final = 150
FIXED: Final = 20
AVAILABLE_AFTER_BUSINESS_DAYS: Final = 3
_SATURDAY: Final = 5


def card_fee(amount: int, currency: str) -> dict[str, Any]:
    """Return the fee of a card payment as one of `fee_details`; half a penny is rounded up."""
    return {
        "amount": (amount * SHARE + 5000) // 10000 + FIXED,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }


def available_on(moment: int) -> int:
    """Return the midnight (UTC) at which money received at `moment` is available."""
    day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0)
    left = AVAILABLE_AFTER_BUSINESS_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < _SATURDAY
    return int(day.timestamp())
