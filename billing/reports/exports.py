"""The files finance downloads: the same for the office's pages and for the command line.

Every file begins with what it is and who asked for it, and ends with its control totals: a file
without its last line is not whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session

from billing.money import Money
from billing.reports.control import Check, Movements, Totals, checks, cut_off
from billing.reports.files import csv_file
from billing.reports.files.csv_file import Cell
from billing.reports.month import Month
from billing.reports.payments import PaymentRow, payments
from billing.reports.stamp import Stamp
from billing.reports.trial_balance import Figures, trial_balance

Rows = Iterator[Sequence[Cell]]

_PAYMENTS: Final = (
    "Date", "What", "Receipt", "Payer", "Fund or plan", "Account", "Currency", "Gross", "Refunded",
    "Other", "Fee", "Net", "Method", "Payment", "Charge", "Source", "Balance transaction",
)  # fmt: skip
_PAYMENTS_SIGNS: Final = "money out is negative; Net = Gross + Refunded + Other - Fee"
_TRIAL_BALANCE: Final = (
    "Account", "Name", "Kind", "Currency", "Opening", "Debits", "Credits", "Closing",
)  # fmt: skip
_TRIAL_BALANCE_SIGNS: Final = (
    "debits are positive and credits negative; Closing = Opening + Debits + Credits"
)


def export(session: Session, name: str, month: Month, *, stamp: Stamp) -> Iterator[bytes]:
    """Yield a report as CSV, piece by piece.

    Args:
        session: a snapshot that stays open until the last piece.
        name: one of `EXPORTS`.
        month: the period.
        stamp: who asks, and when.
    """
    rows, width = EXPORTS[name]
    return csv_file.chunks(rows(session, month, stamp), width=width)


def file_name(name: str, month: Month) -> str:
    """Return the name a report is saved under."""
    return f"{name}-{month.key}.csv"


def _payments(session: Session, month: Month, stamp: Stamp) -> Rows:
    yield from stamp.lines("Payments", month, signs=_PAYMENTS_SIGNS, cut_off=cut_off(session))
    yield []
    yield _PAYMENTS
    kinds: Counter[str] = Counter()
    seen = Movements()
    for row in payments(session, month):
        kinds[row.kind] += 1
        seen.add(
            row.account,
            row.category,
            amount=row.amount.amount,
            fee=row.fee.amount,
            currency=row.amount.currency,
        )
        yield _payment(row)
    yield from _totals(seen.totals)
    yield []
    for kind, count in sorted(kinds.items()):
        yield (f"Rows: {kind}", count)
    yield from _controls(kinds.total(), checks(session, month, seen))


def _payment(row: PaymentRow) -> Sequence[Cell]:
    return (
        row.day, row.kind, row.receipt, row.payer, row.item, row.account,
        *_amounts(row.totals, row.amount.currency),
        row.method, row.payment_intent_id, row.charge_id, row.source_id,
        row.balance_transaction_id,
    )  # fmt: skip


def _totals(totals: Mapping[str, Totals]) -> Rows:
    yield []
    for currency, total in sorted(totals.items() or {"gbp": Totals()}.items()):
        yield ("Total", "", "", "", "", "", *_amounts(total, currency))


def _amounts(totals: Totals, currency: str) -> Sequence[Cell]:
    """Return the columns Currency, Gross, Refunded, Other, Fee, Net."""
    figures = (totals.gross, totals.refunded, totals.other, totals.fee, totals.net)
    return (currency.upper(), *(Money(figure, currency).major for figure in figures))


def _trial_balance(session: Session, month: Month, stamp: Stamp) -> Rows:
    known = cut_off(session)
    yield from stamp.lines("Trial balance", month, signs=_TRIAL_BALANCE_SIGNS, cut_off=known)
    yield []
    yield _TRIAL_BALANCE
    found = trial_balance(session, month)
    for line in found.lines:
        yield (line.account, line.name, line.kind.value, *_balances(line.figures, line.currency))
    yield []
    for currency, figures in found.totals.items():
        yield ("Total", "", "", *_balances(figures, currency))
    yield []
    yield ("Journal entries in the month", found.entries)
    yield ("Postings in the month", found.postings)
    yield from _controls(len(found.lines), found.checks)


def _balances(figures: Figures, currency: str) -> Sequence[Cell]:
    """Return the columns Currency, Opening, Debits, Credits, Closing."""
    return (currency.upper(), *(Money(figure, currency).major for figure in figures))


def _controls(count: int, found: Iterable[Check]) -> Rows:
    found = list(found)
    yield []
    yield ("Rows", count)
    yield ("Control", "Currency", "This report", "Ledger", "Difference", "Result")
    for check in found:
        amounts = (check.here.major, check.ledger.major, check.difference.major)
        result = "agrees" if check.agrees else "DOES NOT AGREE"
        yield (check.what, check.here.currency.upper(), *amounts, result)
    whole = all(check.agrees for check in found)
    yield ("End of report", "agrees with the ledger" if whole else "DOES NOT AGREE: see above")


# What may be exported, and how many columns each has.
EXPORTS: Final[Mapping[str, tuple[Callable[[Session, Month, Stamp], Rows], int]]] = {
    "payments": (_payments, len(_PAYMENTS)),
    "trial-balance": (_trial_balance, len(_TRIAL_BALANCE)),
}
