"""Payouts: what each brought to the bank, what it is made of, and whether the two are the same.

A payout ties when its movements come to its amount to the penny. One made by hand can never be
said to: Stripe does not know what is in it.
"""

import enum
from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.models import BalanceTransaction, Payout
from billing.money import Money
from billing.reports.control import Totals


class Standing(enum.StrEnum):
    """How a payout stands beside its movements."""

    TIES = "ties"
    DIFFERS = "differs"
    AWAITED = "awaited"  # Stripe cannot list its movements yet
    BY_HAND = "by hand"  # Stripe never will


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """One payout.

    Attributes:
        payout: as Stripe states it.
        totals: what its movements come to, in minor units; nothing until they are known.
    """

    payout: Payout
    totals: Totals

    @property
    def standing(self) -> Standing:
        """Whether it ties."""
        if not self.payout.automatic:
            return Standing.BY_HAND
        if self.payout.residual is None:
            return Standing.AWAITED
        return Standing.DIFFERS if self.payout.residual else Standing.TIES

    @property
    def residual(self) -> Money:
        """What no movement explains; nought where it ties or nobody can tell."""
        return Money(self.payout.residual or 0, self.payout.currency)


def payouts(session: Session, *, most: int) -> list[PayoutLine]:
    """Return the newest payouts, newest first."""
    found = list(
        session.scalars(
            sa.select(Payout)
            .order_by(Payout.created_at.desc(), Payout.stripe_payout_id)
            .limit(most)
        )
    )
    totals = _totals(session, [payout.stripe_payout_id for payout in found])
    return [PayoutLine(payout, totals[payout.stripe_payout_id]) for payout in found]


def _totals(session: Session, ids: list[str]) -> dict[str, Totals]:
    """Return what the movements of each payout come to, without the payout's own."""
    txn = BalanceTransaction
    rows = session.execute(
        sa.select(
            txn.payout_id,
            txn.reporting_category,
            sa.func.sum(txn.amount),
            sa.func.sum(txn.fee),
        )
        .where(txn.payout_id.in_(ids), txn.source_id != txn.payout_id)
        .group_by(txn.payout_id, txn.reporting_category)
    )
    totals: dict[str, Totals] = defaultdict(Totals)
    for payout_id, category, amount, fee in rows:
        totals[payout_id].add(category, amount=int(amount), fee=int(fee))
    return totals
