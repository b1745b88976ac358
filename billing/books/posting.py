"""The posting rules: what each movement of our balance at Stripe does to the books.

Every balance transaction becomes exactly one entry of the same three lines:

    Dr  1240 Stripe balance     net
    Dr  card fees               fee
        Cr  the other side      gross

Stripe's signs do the rest: money that goes back has a negative gross, and so reverses all three.
Stripe keeps its fee when a payment is refunded, so a refund's fee is nought.

Money a payer's bank takes back is a loss (7904), not less income: it may come years after the month
of the payment, whose figures stand. The loss carries the fund of the gift, so that the fund's total
falls on the day it happens, as with a refund; money won back raises it again.
Source: https://docs.stripe.com/reports/reporting-categories
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from billing import tasks
from billing.books import chart
from billing.books.ledger import Line, post
from billing.clock import accounting_day
from billing.models import BalanceTransaction, Payment, PaymentPurpose
from billing.money import Money

SOURCE: Final = "balance_transaction"


class OtherSide(enum.Enum):
    """Which account faces Stripe's balance."""

    PAYMENT = enum.auto()  # the payment's own income account and fund
    LOSS = enum.auto()  # disputes lost, with the payment's fund; what was never ours is no loss
    IN_TRANSIT = enum.auto()  # on its way between Stripe and our bank
    FEES = enum.auto()  # the movement is itself a fee


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of movement is called, and what it is posted against.

    Attributes:
        fees: the account of its fee; '' where whoever paid decides.
    """

    called: str
    other_side: OtherSide
    fees: str = ""


# Stripe's reporting category -> our rule. Whatever is not in this table waits in unallocated
# receipts (2130), and a person is asked to look.
RULES: Final[Mapping[str, Rule]] = {
    # Money in.
    "charge": Rule("Payment", OtherSide.PAYMENT),
    # Money given back, against the same account and fund.
    "refund": Rule("Refund", OtherSide.PAYMENT),
    # A refund that did not reach the payer: the money is ours again.
    "refund_failure": Rule("Refund failed", OtherSide.PAYMENT),
    # A debit that was taken and then failed: the money was never ours.
    "charge_failure": Rule("Payment failed", OtherSide.PAYMENT),
    # What was authorised and never taken: as if it had never been paid.
    "partial_capture_reversal": Rule("Not captured", OtherSide.PAYMENT),
    # Taken back by the payer's bank, and won back. Stripe may return its fee or keep it.
    "dispute": Rule("Dispute", OtherSide.LOSS, chart.DISPUTE_FEES),
    "dispute_reversal": Rule("Dispute won", OtherSide.LOSS, chart.DISPUTE_FEES),
    # To the bank, and back when the bank refuses it; a top-up is a payout the other way.
    "payout": Rule("Payout", OtherSide.IN_TRANSIT),
    "payout_reversal": Rule("Payout failed", OtherSide.IN_TRANSIT),
    "topup": Rule("Top-up", OtherSide.IN_TRANSIT),
    "topup_reversal": Rule("Top-up failed", OtherSide.IN_TRANSIT),
    # What Stripe charges for itself, beside the fee of any one payment.
    "fee": Rule("Stripe's fee", OtherSide.FEES),
}

# Neither income nor cost: our own money, on its way between Stripe and the bank.
PAYOUTS: Final = frozenset(
    category for category, rule in RULES.items() if rule.other_side is OtherSide.IN_TRANSIT
)

_OF_THE_PAYMENT: Final = frozenset({OtherSide.PAYMENT, OtherSide.LOSS})

# Whose cost a fee is.
FEE_ACCOUNTS: Final[Mapping[PaymentPurpose, str]] = {
    PaymentPurpose.SUBSCRIPTION: chart.FEES_SUBSCRIPTIONS,
    PaymentPurpose.DONATION: chart.FEES_GIFTS,
    PaymentPurpose.FOREIGN: chart.FEES_OTHER,
}


def post_balance_transaction(
    session: Session, txn: BalanceTransaction, *, payment: Payment | None, now: datetime
) -> None:
    """Post one balance transaction on the London day Stripe made it. Repeating changes nothing.

    Args:
        session: the transaction of the fact.
        txn: what Stripe says its balance did.
        payment: the payment it belongs to, where it belongs to one.
        now: when it is written.
    """
    rule = RULES.get(txn.reporting_category)
    account = account_of(txn.reporting_category, payment.account_code if payment else None)
    fund = payment.fund if payment and rule and rule.other_side in _OF_THE_PAYMENT else ""
    fees = FEE_ACCOUNTS[payment.purpose] if payment else chart.FEES_OTHER
    fees = rule.fees if rule and rule.fees else fees
    written = post(
        session,
        source_kind=SOURCE,
        source_id=txn.stripe_balance_transaction_id,
        day=accounting_day(txn.created_at),
        description=_description(rule, txn, payment),
        lines=(
            Line(chart.STRIPE, Money(txn.net, txn.currency)),
            Line(fees, Money(txn.fee, txn.currency)),
            Line(account, Money(-txn.amount, txn.currency), fund),
        ),
        now=now,
    )
    if written and account == chart.UNALLOCATED:
        tasks.raise_task(
            session,
            "unallocated-receipt",
            subject=txn.stripe_balance_transaction_id,
            detail=_question(rule, txn, payment),
            now=now,
        )


def account_of(category: str, paid_to: str | None) -> str:
    """Return the account that faces Stripe's balance.

    Args:
        category: the movement's reporting category.
        paid_to: the account of the payment it belongs to; None where it belongs to none.
    """
    rule = RULES.get(category)
    match rule.other_side if rule else None:
        case OtherSide.IN_TRANSIT:
            return chart.IN_TRANSIT
        case OtherSide.FEES:
            return chart.FEES_OTHER
        case OtherSide.PAYMENT if paid_to is not None:
            return paid_to
        case OtherSide.LOSS if paid_to not in {None, chart.UNALLOCATED}:
            return chart.DISPUTES_LOST
        case _:
            return chart.UNALLOCATED


def _description(rule: Rule | None, txn: BalanceTransaction, payment: Payment | None) -> str:
    called = rule.called if rule else f"Not recognised: {txn.reporting_category}"
    about = (payment.fund or payment.plan) if payment else ""
    return f"{called} {about} {txn.source_id}".replace("  ", " ")[:300]


def _question(rule: Rule | None, txn: BalanceTransaction, payment: Payment | None) -> str:
    if rule is None:
        why = f"we have no posting rule for Stripe's category {txn.reporting_category!r}"
    elif payment is None:
        why = "we know no payment it belongs to"
    else:
        why = "somebody else took it on our Stripe account, and no rule says whose it is"
    moved = Money(txn.amount, txn.currency)
    return f"{moved} ({txn.source_id}) waits in unallocated receipts (2130): {why}."
