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
# A Bacs debit: hundredths of a per cent, at least and at most.
DEBIT_SHARE: Final = 100
DEBIT_LEAST, DEBIT_MOST = 20, 400
# A formal dispute, won or lost.
DISPUTE: Final = 2000
AVAILABLE_AFTER_BUSINESS_DAYS: Final = 3
_SATURDAY: Final = 5


def card_fee(amount: int, currency: str) -> dict[str, Any]:
    """Return the fee of a card payment as one of `fee_details`; half a penny is rounded up."""
    return detail((amount * SHARE + 5000) // 10000 + FIXED, currency)


def debit_fee(amount: int, currency: str) -> dict[str, Any]:
    """Return the fee of a Bacs debit as one of `fee_details`."""
    share = (amount * DEBIT_SHARE + 5000) // 10000
    return detail(min(max(share, DEBIT_LEAST), DEBIT_MOST), currency)


def detail(
    amount: int, currency: str, description: str = "Stripe processing fees"
) -> dict[str, Any]:
    """Return one of `fee_details`."""
    return {
        "amount": amount,
        "application": None,
        "currency": currency,
        "description": description,
        "type": "stripe_fee",
    }


def available_on(moment: int) -> int:
    """Return the midnight (UTC) at which money received at `moment` is available."""
    return business_days_after(moment, AVAILABLE_AFTER_BUSINESS_DAYS)


def business_days_after(moment: int, days: int) -> int:
    """Return the midnight (UTC) that begins the given business day after `moment`."""
    day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0)
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < _SATURDAY
    return int(day.timestamp())
