"""The two pages people pay from, drawn again with all that was typed when we must ask twice.

A refusal is said at the top and beside the field; nothing typed is lost, and nothing is ticked
for anybody.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from billing.catalogue.data import Appeal
from billing.errors import AmountError, ClosedAppealError
from billing.money import Money, parse_pounds
from billing.settings import Giving
from billing.web import progress
from billing.web.key_facts import KeyFacts
from billing.web.render import render, write_short_money

OTHER = "other"


@dataclass(frozen=True, slots=True)
class TypedGift:
    """What somebody chose and typed on an appeal's page.

    Attributes:
        amount: a suggested amount in pounds, `other`, or '' where nothing is chosen.
        other: the amount they wrote themselves.
        source: the article that led here.
    """

    amount: str = ""
    other: str = ""
    source: str = ""

    def read(self, limits: Giving) -> Money:
        """Return the amount they mean.

        Raises:
            AmountError: there is none, there are two, or it is outside what we accept; the
                message says what to do.
        """
        written = self.other.strip()
        if self.amount in ("", OTHER):
            if not written:
                raise AmountError("Choose an amount, or write one in the box.")
            chosen = _read(written)
        else:
            chosen = _read(self.amount)
            if written and _read(written) != chosen:
                raise AmountError(
                    f"You chose {write_short_money(chosen)} and also wrote {written[:20]}."
                    " Choose “Other amount”, or empty the box."
                )
        return _within(chosen, limits)


def _read(written: str) -> Money:
    try:
        return parse_pounds(written)
    except AmountError:
        raise AmountError("Write the amount in pounds, like 25 or 25.50.") from None


def _within(chosen: Money, limits: Giving) -> Money:
    least, most = Money(limits.minimum), Money(limits.maximum)
    if chosen.amount < least.amount:
        raise AmountError(
            f"The smallest gift we can take by card is {write_short_money(least)}:"
            " below that, the card fee would eat it."
        )
    if chosen.amount > most.amount:
        raise AmountError(
            f"The largest gift we take by card is {write_short_money(most)}."
            " To give more, please write to us: we would love to hear from you."
        )
    return chosen


def is_open(appeal: Appeal, today: date) -> bool:
    """Say whether an appeal takes gifts on a London day."""
    try:
        appeal.check_open(today)
    except ClosedAppealError:
        return False
    return True


def appeal_page(
    request: Request,
    session: Session,
    appeal: Appeal,
    *,
    today: date,
    typed: TypedGift,
    problem: str = "",
    wrong_amount: str = "",
    status_code: int = 200,
) -> Response:
    """Draw an appeal's page.

    Args:
        request: who asks.
        session: to read the ledger with.
        appeal: the appeal.
        today: the London day.
        typed: what is already chosen and typed.
        problem: the page of `templates/problems` that says what went wrong; '' for nothing.
        wrong_amount: what is wrong with the amount; '' for nothing.
        status_code: of the answer.
    """
    limits = request.app.state.context.settings.giving
    return render(
        request,
        "appeal.html",
        status_code=status_code,
        appeal=appeal,
        progress=progress.of(session, appeal, today=today),
        open_now=is_open(appeal, today),
        not_yet=appeal.starts is not None and today < appeal.starts,
        typed=typed,
        least=Money(limits.minimum),
        most=Money(limits.maximum),
        problem=problem,
        wrong_amount=wrong_amount,
    )


def subscription_page(
    request: Request,
    facts: KeyFacts,
    *,
    source: str = "",
    problem: str = "",
    status_code: int = 200,
) -> Response:
    """Draw the last page before Stripe's, with every key fact on it."""
    return render(
        request,
        "subscribe_facts.html",
        status_code=status_code,
        facts=facts,
        source=source,
        problem=problem,
    )
