"""The books: accounts, journal entries and their postings.

Append-only, by trigger, on both databases; an entry whose postings do not sum to zero in every
currency cannot be written.
"""

import enum
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, BigId, one_of
from billing.models.base import instant, new_id


class AccountKind(enum.StrEnum):
    """The side of the books an account is on."""

    ASSET = "asset"
    LIABILITY = "liability"
    CAPITAL = "capital"
    INCOME = "income"
    EXPENSE = "expense"


class Account(Base):
    """A nominal account of the chart."""

    __tablename__ = "account"
    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[AccountKind] = mapped_column(one_of(AccountKind))


class JournalEntry(Base):
    """One balanced entry. Written after its postings; writing it seals them.

    Attributes:
        source_kind, source_id: the row or Stripe object that made it; the pair is unique.
        day: the accounting day, in London.
    """

    __tablename__ = "journal_entry"
    id: Mapped[UUID] = new_id()
    source_kind: Mapped[str] = mapped_column(String(40))
    source_id: Mapped[str] = mapped_column(String(255))
    day: Mapped[date] = mapped_column(index=True)
    description: Mapped[str] = mapped_column(String(300))
    posted_at: Mapped[datetime] = instant()

    __table_args__ = (UniqueConstraint("source_kind", "source_id"),)


class Posting(Base):
    """One line of an entry: debit above zero, credit below.

    Attributes:
        fund: the fund a gift belongs to; '' otherwise.
        day: the entry's day again, so that a month of one account is one walk of an index.
    """

    __tablename__ = "posting"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(
        ForeignKey("journal_entry.id", deferrable=True, initially="DEFERRED"), index=True
    )
    account_code: Mapped[str] = mapped_column(ForeignKey("account.code"))
    fund: Mapped[str] = mapped_column(String(60), default="")
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    day: Mapped[date]

    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        Index("ix_posting_account_day", "account_code", "day"),
        Index(
            "ix_posting_fund_day",
            "fund",
            "day",
            postgresql_where=text("fund <> ''"),
            sqlite_where=text("fund <> ''"),
        ),
    )
