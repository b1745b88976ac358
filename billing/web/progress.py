"""How far an appeal has come, as its page tells it: read from the ledger at that moment.

Gifts count in full and refunds count against; a bar never goes beyond its ends, the words do.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.orm import Session

from billing.books.totals import fund_total
from billing.catalogue.data import Appeal
from billing.clock import next_month

_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """What an appeal has raised, and what it still needs.

    Attributes:
        raised: in pence, gifts less refunds; of this month where the target is a month's.
        target: in pence; None where it has none.
        last_day: the last London day that counts; None where nothing ends it.
        days_left: days after today until then.
        monthly: whether the figures are this calendar month's.
    """

    raised: int
    target: int | None
    last_day: date | None
    days_left: int | None
    monthly: bool

    @property
    def needed(self) -> int:
        """What is still missing, in pence; nothing once the target is passed."""
        return max(0, (self.target or 0) - self.raised)

    @property
    def percent(self) -> int:
        """How much of the target is raised, in whole hundredths, rounded down."""
        return max(0, self.raised) * _WHOLE // self.target if self.target else 0

    @property
    def filled(self) -> int:
        """How much of the bar is filled, from 0 to 100."""
        return min(_WHOLE, self.percent)


def of(session: Session, appeal: Appeal, *, today: date) -> Progress:
    """Read how far an appeal has come on a London day."""
    monthly = appeal.target is None and appeal.monthly_target is not None
    if monthly:
        first = today.replace(day=1)
        raised = fund_total(session, appeal.fund, since=first, until=next_month(today))
        last_day: date | None = next_month(today) - timedelta(days=1)
    else:
        raised, last_day = fund_total(session, appeal.fund), appeal.ends
    return Progress(
        raised=raised,
        target=appeal.monthly_target if monthly else appeal.target,
        last_day=last_day,
        days_left=max(0, (last_day - today).days) if last_day else None,
        monthly=monthly,
    )
