"""Every movement of a month: payments, refunds and the rest, one row each, oldest first.

A refund is a row of its own on its own day, so that a month once read never reads differently.
Payouts to the bank move no income; they are in the control totals, not among the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books import chart
from billing.books.posting import PAYOUTS, RULES
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
        sa.select(BalanceTransaction, Payment, Receipt)
        .outerjoin(Payment, Payment.id == BalanceTransaction.payment_id)
        .outerjoin(Receipt, Receipt.payment_id == Payment.id)
        .where(
            BalanceTransaction.created_at >= month.begins,
            BalanceTransaction.created_at < month.ends,
            BalanceTransaction.reporting_category.not_in(PAYOUTS),
        )
        .order_by(BalanceTransaction.created_at, BalanceTransaction.stripe_balance_transaction_id)
        .execution_options(yield_per=_AT_A_TIME)
    )
    for txn, payment, receipt in found:
        yield _row(txn, payment, receipt)


def _row(txn: BalanceTransaction, payment: Payment | None, receipt: Receipt | None) -> PaymentRow:
    rule = RULES.get(txn.reporting_category)
    return PaymentRow(
        day=accounting_day(txn.created_at),
        kind=rule.called if rule else txn.reporting_category,
        category=txn.reporting_category,
        receipt=str(receipt) if receipt else "",
        payer=payment.payer_name if payment else "",
        item=(payment.fund or payment.plan) if payment else "",
        account=payment.account_code if payment and rule else chart.UNALLOCATED,
        amount=Money(txn.amount, txn.currency),
        fee=Money(txn.fee, txn.currency),
        net=Money(txn.net, txn.currency),
        method=payment.method if payment else "",
        payment_intent_id=payment.stripe_payment_intent_id if payment else "",
        charge_id=payment.stripe_charge_id if payment else "",
        source_id=txn.source_id,
        balance_transaction_id=txn.stripe_balance_transaction_id,
    )
