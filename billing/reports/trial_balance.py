"""The trial balance of a month: every account's opening balance, movements and closing balance."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books import chart
from billing.models import Account, AccountKind, BalanceTransaction, Posting
from billing.money import Money
from billing.reports.control import Check
from billing.reports.month import Month

# Opening, debits, credits and closing.
Figures = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One account in one currency, in minor units: debit above zero, credit below.

    Attributes:
        debits: what was debited in the month.
        credits: what was credited in the month; never above zero.
    """

    account: str
    name: str
    kind: AccountKind
    currency: str
    opening: int
    debits: int
    credits: int

    @property
    def closing(self) -> int:
        """The balance at the end of the month."""
        return self.opening + self.debits + self.credits

    @property
    def figures(self) -> Figures:
        """The four columns of the line."""
        return self.opening, self.debits, self.credits, self.closing


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """A month's trial balance.

    Attributes:
        lines: by account; accounts that were never posted to are left out.
        entries, postings: how many the month has.
        checks: that every column sums to zero, as double entry demands, and that our account of
            Stripe's balance is what Stripe's movements come to.
    """

    month: Month
    lines: list[BalanceLine]
    entries: int
    postings: int
    checks: list[Check]

    @property
    def totals(self) -> dict[str, Figures]:
        """What the columns come to, currency by currency; sterling always."""
        return _totals(self.lines)


def trial_balance(session: Session, month: Month) -> TrialBalance:
    """Return a month's trial balance."""
    lines = [
        BalanceLine(code, name, kind, currency, int(opening), int(debits), int(credits_))
        for code, name, kind, currency, opening, debits, credits_ in session.execute(
            _balances(month)
        )
    ]
    entries, postings = session.execute(
        sa.select(
            sa.func.count(sa.distinct(Posting.entry_id)),
            sa.func.count(),
        ).where(Posting.day >= month.first, Posting.day < month.after)
    ).one()
    found = [*_sums(lines), *_stripe_balances(session, month, lines)]
    return TrialBalance(month, lines, entries, postings, found)


def _balances(month: Month) -> sa.Select[str, str, AccountKind, str, int, int, int]:
    def total(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((condition, Posting.amount), else_=0))

    within = Posting.day >= month.first
    return (
        sa.select(
            Account.code,
            Account.name,
            Account.kind,
            Posting.currency,
            total(Posting.day < month.first).label("opening"),
            total(within & (Posting.amount > 0)).label("debits"),
            total(within & (Posting.amount < 0)).label("credits"),
        )
        .join(Account, Account.code == Posting.account_code)
        .where(Posting.day < month.after)
        .group_by(Account.code, Account.name, Account.kind, Posting.currency)
        .order_by(Account.code, Posting.currency)
    )


def _totals(lines: list[BalanceLine]) -> dict[str, Figures]:
    found = {}
    for currency in sorted({line.currency for line in lines} | {"gbp"}):
        mine = [line for line in lines if line.currency == currency]
        found[currency] = (
            sum(line.opening for line in mine),
            sum(line.debits for line in mine),
            sum(line.credits for line in mine),
            sum(line.closing for line in mine),
        )
    return found


def _sums(lines: list[BalanceLine]) -> list[Check]:
    found = []
    for currency, (opening, debits, credits_, closing) in _totals(lines).items():
        for what, amount in (
            ("Opening balances sum to zero", opening),
            ("Debits equal credits", debits + credits_),
            ("Closing balances sum to zero", closing),
        ):
            found.append(Check(what, Money(amount, currency), Money(0, currency)))
    return found


def _stripe_balances(session: Session, month: Month, lines: list[BalanceLine]) -> list[Check]:
    moved = session.execute(
        sa.select(BalanceTransaction.currency, sa.func.sum(BalanceTransaction.net))
        .where(BalanceTransaction.created_at < month.ends)
        .group_by(BalanceTransaction.currency)
    )
    stripe = {currency: int(net) for currency, net in moved}
    ours = {line.currency: line.closing for line in lines if line.account == chart.STRIPE}
    return [
        Check(
            f"{chart.STRIPE} Stripe balance: closing, as the sum of Stripe's movements",
            Money(stripe.get(currency, 0), currency),
            Money(ours.get(currency, 0), currency),
        )
        for currency in sorted({*stripe, *ours, "gbp"})
    ]
