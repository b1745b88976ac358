"""Control totals: what a report's rows add up to, beside what the ledger says of the same month.

The rows come from Stripe's own movements, the other side from the postings, so that agreement says
something. Whatever does not agree is said, never rounded away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books import chart
from billing.books.ledger import account_balance
from billing.books.opening import SOURCE as OPENED
from billing.books.posting import PAYOUTS, SOURCE
from billing.models import Account, BalanceTransaction, JournalEntry, Posting
from billing.money import Money
from billing.reports.month import Month

_GIVEN_BACK: Final = frozenset(
    {
        "refund",
        "refund_failure",
        "charge_failure",
        "partial_capture_reversal",
        "dispute",
        "dispute_reversal",
    }
)


@dataclass(frozen=True, slots=True)
class Check:
    """One figure, reached in two ways.

    Attributes:
        what: the figure in words.
        here: what this report's rows come to.
        ledger: what the ledger says.
    """

    what: str
    here: Money
    ledger: Money

    @property
    def difference(self) -> Money:
        """What this report has and the ledger has not."""
        return Money(self.here.amount - self.ledger.amount, self.here.currency)

    @property
    def agrees(self) -> bool:
        """Whether both ways come to the same penny."""
        return self.difference.amount == 0


@dataclass(slots=True)
class Totals:
    """What a month's movements come to in one currency, in minor units; payouts are not in it.

    Attributes:
        gross: received.
        refunded: given back, or taken back by a bank; below zero.
        other: movements of any other kind.
        fee: what Stripe kept.
    """

    gross: int = 0
    refunded: int = 0
    other: int = 0
    fee: int = 0

    @property
    def kept(self) -> int:
        """What was received and not given back."""
        return self.gross + self.refunded + self.other

    @property
    def net(self) -> int:
        """What our balance at Stripe gained."""
        return self.kept - self.fee

    def add(self, category: str, *, amount: int, fee: int) -> None:
        """Count one movement, or several of one category."""
        self.fee += fee
        match category:
            case "charge":
                self.gross += amount
            case "fee":
                self.fee -= amount
            case _ if category in _GIVEN_BACK:
                self.refunded += amount
            case _:
                self.other += amount


class Movements:
    """What a report's rows come to, kept while they pass by.

    Attributes:
        totals: by currency.
        accounts: receipts less refunds, by account and currency.
    """

    def __init__(self) -> None:
        self.totals: dict[str, Totals] = {}
        self.accounts: dict[tuple[str, str], int] = {}

    def add(self, account: str, category: str, *, amount: int, fee: int, currency: str) -> None:
        """Count one row, or several of one category and account."""
        self.totals.setdefault(currency, Totals()).add(category, amount=amount, fee=fee)
        key = (account, currency)
        self.accounts[key] = self.accounts.get(key, 0) + amount


def checks(session: Session, month: Month, mine: Movements) -> list[Check]:
    """Return every control of a month's movements against the ledger, currency by currency."""
    ledger = _ledger_by_account(session, month)
    payouts = _payouts(session, month)
    currencies = sorted({*mine.totals, *(currency for _, currency in ledger), *payouts, "gbp"})
    found = _checks_by_account(session, mine, ledger)
    for currency in currencies:
        totals = mine.totals.get(currency, Totals())
        posted = {account: amount for (account, c), amount in ledger.items() if c == currency}
        paid_out = payouts.get(currency, Totals())
        found.append(_check_of_fees(totals, paid_out, posted, currency))
        found += _checks_of_balance(session, month, totals, posted, paid_out, currency)
    return found


def cut_off(session: Session) -> datetime | None:
    """Return the instant of the newest movement at Stripe we know of."""
    return session.scalar(sa.select(sa.func.max(BalanceTransaction.created_at)))


def _checks_by_account(
    session: Session, mine: Movements, ledger: Mapping[tuple[str, str], int]
) -> list[Check]:
    """Check what each account received, less what went back from it."""
    names = {account.code: account.name for account in session.scalars(sa.select(Account))}
    beside = {chart.STRIPE, chart.IN_TRANSIT, *chart.FEES}
    return [
        Check(
            f"{account} {names[account]}",
            Money(mine.accounts.get((account, currency), 0), currency),
            Money(-ledger.get((account, currency), 0), currency),
        )
        for account, currency in sorted({*mine.accounts, *ledger})
        if account not in beside
    ]


def _check_of_fees(
    totals: Totals, paid_out: Totals, posted: Mapping[str, int], currency: str
) -> Check:
    """Check what Stripe kept; of an instant payout it keeps a part too."""
    fees = sum(posted.get(account, 0) for account in chart.FEES)
    return Check("Card fees", Money(totals.fee + paid_out.fee, currency), Money(fees, currency))


def _checks_of_balance(
    session: Session,
    month: Month,
    totals: Totals,
    posted: Mapping[str, int],
    paid_out: Totals,
    currency: str,
) -> Iterator[Check]:
    moved = posted.get(chart.STRIPE, 0) + posted.get(chart.IN_TRANSIT, 0)
    opening = account_balance(session, chart.STRIPE, currency=currency, until=month.first)
    opening += _opened_in(session, month, currency)
    closing = account_balance(session, chart.STRIPE, currency=currency, until=month.after)
    net = Money(totals.net - paid_out.fee, currency)
    yield Check(f"{chart.STRIPE} Stripe balance: net, before payouts", net, Money(moved, currency))
    yield Check(
        f"{chart.STRIPE} Stripe balance: opening + net - payouts = closing",
        Money(opening + totals.net + paid_out.net, currency),
        Money(closing, currency),
    )


def _opened_in(session: Session, month: Month, currency: str) -> int:
    """Return what Stripe held where the books were opened in the midst of a month."""
    opened = (
        sa.select(sa.func.coalesce(sa.func.sum(Posting.amount), 0))
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(
            JournalEntry.source_kind == OPENED,
            Posting.account_code == chart.STRIPE,
            Posting.currency == currency,
            Posting.day >= month.first,
            Posting.day < month.after,
        )
    )
    return int(session.scalar(opened) or 0)


def _ledger_by_account(session: Session, month: Month) -> dict[tuple[str, str], int]:
    """Return what Stripe's movements posted in a month, by account and currency."""
    rows = session.execute(
        sa.select(Posting.account_code, Posting.currency, sa.func.sum(Posting.amount))
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(
            JournalEntry.source_kind == SOURCE,
            JournalEntry.day >= month.first,
            JournalEntry.day < month.after,
        )
        .group_by(Posting.account_code, Posting.currency)
    )
    return {(account, currency): int(amount) for account, currency, amount in rows}


def _payouts(session: Session, month: Month) -> dict[str, Totals]:
    """Return what went to the bank and came from there, by currency."""
    rows = session.execute(
        sa.select(
            BalanceTransaction.currency,
            sa.func.sum(BalanceTransaction.amount),
            sa.func.sum(BalanceTransaction.fee),
        )
        .where(
            BalanceTransaction.created_at >= month.begins,
            BalanceTransaction.created_at < month.ends,
            BalanceTransaction.reporting_category.in_(PAYOUTS),
        )
        .group_by(BalanceTransaction.currency)
    )
    return {currency: Totals(other=int(amount), fee=int(fee)) for currency, amount, fee in rows}
