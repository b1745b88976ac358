"""The facts of a subscription, drawn once: the same text is shown before paying and kept after.

A checkout keeps what is returned here, so that years later we can still say what one reader had
before them when they agreed.

Source: https://www.legislation.gov.uk/ukpga/2024/13/section/256
Source: https://www.legislation.gov.uk/uksi/2013/3134/regulation/13
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from markupsafe import Markup

from billing.catalogue.data import Plan, PlanPrice
from billing.context import Context
from billing.models import Interval
from billing.subscriptions import REMINDED_EARLIEST, REMINDED_LATEST
from billing.web.render import part, write_money

_TEMPLATE: Final = "parts/key_facts.html"
_COOLING_OFF: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a reader is told before they agree to pay.

    Attributes:
        html: as shown on the page.
        button: the words of the button, which name the obligation and the amount.
        version: of these exact words and figures.
    """

    plan: Plan
    price: PlanPrice
    html: Markup
    button: str
    cooling_off_ends: date

    @property
    def version(self) -> str:
        """A short name for exactly this text; another text has another name."""
        return hashlib.sha256(f"{self.html}\n{self.button}".encode()).hexdigest()[:16]

    def as_shown(self) -> dict[str, Any]:
        """Return the evidence: the text, the button and the figures, as JSON holds them."""
        return {
            "template": _TEMPLATE,
            "version": self.version,
            "text": self.html.striptags(),
            "button": self.button,
            "price": self.price.lookup_key,
            "amount": self.price.amount,
            "currency": self.price.money.currency,
            "interval": self.price.interval.value,
            "per_month": self.price.per_month.amount,
            "minimum_total": self.price.amount,
            "cooling_off_ends": self.cooling_off_ends.isoformat(),
        }


def draw(context: Context, plan: Plan, price: PlanPrice, *, today: date) -> KeyFacts:
    """Draw the facts of one price as they stand on a London day."""
    society = context.settings.society
    # The day after the contract is the first of the fourteen.
    ends = today + _COOLING_OFF
    yearly = price.interval is Interval.YEAR
    html = part(
        _TEMPLATE,
        plan=plan,
        price=price,
        yearly=yearly,
        earliest=REMINDED_EARLIEST.days,
        latest=REMINDED_LATEST.days,
        society=society,
        cooling_off_ends=ends,
    )
    how_often = "a year" if yearly else "a month"
    return KeyFacts(
        plan=plan,
        price=price,
        html=html,
        button=f"Subscribe and pay {write_money(price.money)} {how_often}",
        cooling_off_ends=ends,
    )
