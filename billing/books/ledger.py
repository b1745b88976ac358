"""The ledger: entries are written once, balanced, and never changed.

The database itself refuses an entry that does not sum to zero in every currency, a posting added
to an entry already written, and any UPDATE or DELETE. A mistake is put right by another entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.db import insert_ignore
from billing.models import JournalEntry, Posting
from billing.money import Money


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an entry.

    Attributes:
        money: debit above zero, credit below; a line of nothing is left out.
        fund: the fund a gift belongs to; '' otherwise.
    """

    account_code: str
    money: Money
    fund: str = ""


def post(
    session: Session,
    *,
    source_kind: str,
    source_id: str,
    day: date,
    description: str,
    lines: Sequence[Line],
    now: datetime,
) -> bool:
    """Write one entry for one source. Posting the same source again changes nothing.

    Args:
        session: the transaction of the fact.
        source_kind: with `source_id`, what made the entry; the pair is unique.
        source_id: the row's or Stripe object's id.
        day: the accounting day, in London.
        description: for the person who reads the ledger; carries no name and no address.
        lines: what it moves; must sum to zero in every currency.
        now: when it is written.

    Returns:
        Whether it was written now: False when it already stood, or when every line is nothing.

    Raises:
        sqlalchemy.exc.DBAPIError: the lines do not balance, or an account is not in the chart.
    """
    moving = [line for line in lines if line.money.amount]
    if not moving or _stands(session, source_kind, source_id):
        return False
    entry_id = uuid4()
    # The postings go first, since writing the entry seals them; so when somebody else writes the
    # same source in this very moment, ours have to be taken back.
    savepoint = session.begin_nested()
    session.execute(
        sa.insert(Posting),
        [
            {
                "entry_id": entry_id,
                "account_code": line.account_code,
                "fund": line.fund,
                "amount": line.money.amount,
                "currency": line.money.currency,
                "day": day,
            }
            for line in moving
        ],
    )
    written = session.scalar(
        insert_ignore(session, JournalEntry)
        .values(
            id=entry_id,
            source_kind=source_kind,
            source_id=source_id,
            day=day,
            description=description,
            posted_at=now,
        )
        .returning(JournalEntry.id)
    )
    if written is None:
        savepoint.rollback()
        return False
    savepoint.commit()
    return True


def account_balance(
    session: Session, code: str, *, currency: str = "gbp", until: date | None = None
) -> int:
    """Return an account's balance in minor units: debit above zero, credit below.

    Args:
        session: what to read.
        code: the account.
        currency: one currency at a time; they never add up.
        until: the first day no longer counted; None counts everything.
    """
    total = sa.select(sa.func.coalesce(sa.func.sum(Posting.amount), 0)).where(
        Posting.account_code == code, Posting.currency == currency
    )
    if until is not None:
        total = total.where(Posting.day < until)
    return int(session.scalar(total) or 0)


def _stands(session: Session, source_kind: str, source_id: str) -> bool:
    same = sa.select(JournalEntry.id).where(
        JournalEntry.source_kind == source_kind, JournalEntry.source_id == source_id
    )
    return session.scalar(same) is not None
