"""What came in for each fund and plan in a month, what went back, and what it cost."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books.posting import PAYOUTS, RULES, account_of
from billing.models import Account, BalanceTransaction, Payment
from billing.reports.control import Check, Movements, Totals, checks, cut_off
from billing.reports.month import Month


@dataclass(frozen=True, slots=True)
class FundLine:
    """One fund, plan, or account of money that is not ours.

    Attributes:
        item: the fund's or the plan's key; '' for what is neither.
        account: the account it is booked to.
        account_name: that account's name.
        currency: of the totals.
        totals: in minor units.
        count: how many payments came in.
    """

    item: str
    account: str
    account_name: str
    currency: str
    totals: Totals
    count: int


@dataclass(frozen=True, slots=True)
class Receipts:
    """A month's receipts.

    Attributes:
        lines: by account, then by fund or plan.
        totals: of all lines, by currency.
        checks: the same totals against the ledger.
        cut_off: the newest movement at Stripe that was known; None where none is.
    """

    month: Month
    lines: list[FundLine]
    totals: dict[str, Totals]
    checks: list[Check]
    cut_off: datetime | None

    @property
    def counts(self) -> dict[str, int]:
        """How many payments came in, by currency."""
        return {
            currency: sum(line.count for line in self.lines if line.currency == currency)
            for currency in self.totals
        }

    @property
    def agrees(self) -> bool:
        """Whether every control agrees."""
        return all(check.agrees for check in self.checks)


@dataclass(slots=True)
class _Sum:
    totals: Totals = field(default_factory=Totals)
    count: int = 0


def receipts_by_fund(session: Session, month: Month) -> Receipts:
    """Return a month's receipts by fund and plan; payouts to the bank are not receipts."""
    sums: dict[tuple[str, str, str], _Sum] = defaultdict(_Sum)
    all_of_them = Movements()
    for category, account, item, currency, amount, fee, count in _movements(session, month):
        of = sums[account, item, currency]
        of.totals.add(category, amount=amount, fee=fee)
        of.count += count if category == "charge" else 0
        all_of_them.add(account, category, amount=amount, fee=fee, currency=currency)
    names = {account.code: account.name for account in session.scalars(sa.select(Account))}
    lines = [
        FundLine(item, account, names[account], currency, of.totals, of.count)
        for (account, item, currency), of in sorted(sums.items())
    ]
    found = checks(session, month, all_of_them)
    return Receipts(month, lines, all_of_them.totals, found, cut_off(session))


def _movements(
    session: Session, month: Month
) -> Iterator[tuple[str, str, str, str, int, int, int]]:
    """Yield category, account, fund or plan, currency, amount, fee and count of like movements."""
    what = (
        BalanceTransaction.reporting_category,
        Payment.account_code,
        Payment.fund,
        Payment.plan,
        BalanceTransaction.currency,
    )
    rows = session.execute(
        sa.select(
            *what,
            sa.func.sum(BalanceTransaction.amount),
            sa.func.sum(BalanceTransaction.fee),
            sa.func.count(),
        )
        .outerjoin(Payment, Payment.id == BalanceTransaction.payment_id)
        .where(
            BalanceTransaction.created_at >= month.begins,
            BalanceTransaction.created_at < month.ends,
            BalanceTransaction.reporting_category.not_in(PAYOUTS),
        )
        .group_by(*what)
    )
    for category, account, fund, plan, currency, amount, fee, count in rows:
        item = (fund or plan or "") if category in RULES else ""
        where = (account_of(category, account), item)
        yield category, *where, currency, int(amount), int(fee), int(count)
