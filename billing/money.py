"""Exact money: whole minor units and a currency, never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing.errors import AmountError

# Currencies whose minor unit is not a hundredth, as Stripe charges them (ISK and UGX are
# charged as if they had two decimals). Source: https://docs.stripe.com/currencies
_NO_DECIMALS: Final = frozenset(
    {
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    }
)
_THREE_DECIMALS: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_SYMBOLS: Final = {"gbp": "£", "eur": "€", "usd": "US$"}
_WRITTEN: Final = re.compile(r"£?\s*(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.(\d{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount.

    Attributes:
        amount: minor units: pence for gbp, whole yen for jpy. Negative for money out.
        currency: ISO 4217, lower case as Stripe writes it.
    """

    amount: int
    currency: str = "gbp"

    @property
    def major(self) -> Decimal:
        """The amount in pounds, euros, yen: for files and pages only."""
        places = exponent(self.currency)
        return Decimal(self.amount).scaleb(-places).quantize(Decimal(1).scaleb(-places))

    def __str__(self) -> str:
        sign = "−" if self.amount < 0 else ""  # noqa: RUF001  # a minus sign, not a hyphen
        figure = f"{abs(self.major):,}"
        symbol = _SYMBOLS.get(self.currency)
        return f"{sign}{symbol}{figure}" if symbol else f"{sign}{figure} {self.currency.upper()}"


def exponent(currency: str) -> int:
    """Return how many decimals Stripe gives a currency."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def parse_pounds(written: str) -> Money:
    """Read an amount a person typed: `25`, `25.5`, `25.00`, `£1,000`.

    Raises:
        AmountError: it is not an amount of pounds and pence.
    """
    match = _WRITTEN.fullmatch(written.strip())
    if match is None:
        raise AmountError(f"not an amount in pounds: {written[:40]!r}; write it like 25 or 25.50")
    pounds, pence = match.groups()
    return Money(int(pounds.replace(",", "")) * 100 + int((pence or "").ljust(2, "0")))
