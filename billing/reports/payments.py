"""Every movement of a month: payments, refunds and the rest, one row each, oldest first.

A refund is a row of its own on its own day, so that a month once read never reads differently.
Payouts to the bank move no income; they are in the control totals, not among the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books.posting import PAYOUTS, RULES, account_of
from billing.clock import accounting_day
from billing.models import BalanceTransaction, Payment, Receipt
from billing.money import Money
from billing.reports.control import Totals
from billing.reports.month import Month

_AT_A_TIME = 1000  # rows held in memory; a report may have a million


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One movement of our balance at Stripe.

    Attributes:
        day: the accounting day, in London.
        kind: what happened, in the posting rule's word.
        category: Stripe's reporting category.
        receipt: our receipt's number; '' where none was given.
        item: the fund or the plan; '' for what is neither.
        account: the account it is posted to.
        amount, fee, net: as Stripe states them.
    """

    day: date
    kind: str
    category: str
    receipt: str
    payer: str
    item: str
    account: str
    amount: Money
    fee: Money
    net: Money
    method: str
    payment_intent_id: str
    charge_id: str
    source_id: str
    balance_transaction_id: str

    @property
    def totals(self) -> Totals:
        """The amount in the column it belongs to."""
        totals = Totals()
        totals.add(self.category, amount=self.amount.amount, fee=self.fee.amount)
        return totals


def payments(session: Session, month: Month) -> Iterator[PaymentRow]:
    """Yield a month's movements as they are read; they never all lie in memory."""
    found = session.execute(
        sa.select(*_COLUMNS)
        .outerjoin(Payment, Payment.id == BalanceTransaction.payment_id)
        .outerjoin(Receipt, Receipt.payment_id == Payment.id)
        .where(
            BalanceTransaction.created_at >= month.begins,
            BalanceTransaction.created_at < month.ends,
            BalanceTransaction.reporting_category.not_in(PAYOUTS),
        )
        .order_by(
            BalanceTransaction.created_at,
            # Of the same second: a charge before its refund, as the alphabet has it.
            BalanceTransaction.reporting_category,
            BalanceTransaction.stripe_balance_transaction_id,
        )
        .execution_options(yield_per=_AT_A_TIME)
    )
    for row in found:
        yield _row(row)


# Columns, not objects: a row of a million is made once and forgotten.
_COLUMNS: Final = (
    BalanceTransaction.stripe_balance_transaction_id,
    BalanceTransaction.created_at,
    BalanceTransaction.reporting_category,
    BalanceTransaction.amount,
    BalanceTransaction.fee,
    BalanceTransaction.net,
    BalanceTransaction.currency,
    BalanceTransaction.source_id,
    Receipt.series,
    Receipt.number,
    Payment.payer_name,
    Payment.fund,
    Payment.plan,
    Payment.account_code,
    Payment.method,
    Payment.stripe_payment_intent_id,
    Payment.stripe_charge_id,
)


def _row(row: sa.Row[*tuple[Any, ...]]) -> PaymentRow:
    rule = RULES.get(row.reporting_category)
    receipt = "" if row.series is None else str(Receipt(series=row.series, number=row.number))
    return PaymentRow(
        day=accounting_day(row.created_at),
        kind=rule.called if rule else row.reporting_category,
        category=row.reporting_category,
        receipt=receipt,
        payer=row.payer_name or "",
        item=row.fund or row.plan or "",
        account=account_of(row.reporting_category, row.account_code),
        amount=Money(row.amount, row.currency),
        fee=Money(row.fee, row.currency),
        net=Money(row.net, row.currency),
        method=row.method or "",
        payment_intent_id=row.stripe_payment_intent_id or "",
        charge_id=row.stripe_charge_id or "",
        source_id=row.source_id,
        balance_transaction_id=row.stripe_balance_transaction_id,
    )
