"""Where the books begin on an account that had a life before them: one entry, and one instant.

What Stripe's balance did up to that instant is in the opening balance, and is posted never again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from billing.books import chart
from billing.books.ledger import Line, post
from billing.clock import accounting_day
from billing.models import Cursor
from billing.money import Money

SOURCE: Final = "opening"
_OPENED: Final = "books_opened"


def opened_at(session: Session) -> datetime | None:
    """Return the last instant that is in the opening balance; None where the books have none."""
    opened = session.get(Cursor, _OPENED)
    return opened.at if opened else None


def open_books(
    session: Session, balances: Mapping[str, int], *, at: datetime, now: datetime
) -> None:
    """Write what Stripe held for us at an instant, by currency. Written once, it stands.

    Args:
        session: the transaction.
        balances: available and pending together, in minor units.
        at: the last instant that is in it.
        now: when it is written.
    """
    if opened_at(session) is not None:
        return
    lines = [
        line
        for currency, held in sorted(balances.items())
        for line in (
            Line(chart.STRIPE, Money(held, currency)),
            Line(chart.OPENING, Money(-held, currency)),
        )
    ]
    post(
        session,
        source_kind=SOURCE,
        source_id="stripe",
        day=accounting_day(at),
        description="Opening balance at Stripe",
        lines=lines,
        now=now,
    )
    session.add(Cursor(name=_OPENED, at=at))
