"""The books beside Stripe's balance: what we hold there by both counts, movement by movement.

The books are read first and Stripe after them, so that what moves meanwhile is seen as on its way,
and never as a difference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books import chart
from billing.books.opening import opened_at
from billing.books.posting import SOURCE
from billing.clock import accounting_day
from billing.context import Context
from billing.errors import StripeUnavailableError
from billing.models import BalanceTransaction, JournalEntry, Payout, PayoutStatus, Posting
from billing.money import Money
from billing.stripe_gateway import read
from billing.stripe_gateway.types import StripeBalanceTransaction
from billing.words import counted

_ON_ITS_WAY: Final = timedelta(minutes=15)  # a poll a minute, and ten for what nobody can place
_LONG_ARRIVED: Final = timedelta(days=14)
_TRIES: Final = 5


@dataclass(slots=True)
class Books:
    """What the comparison found.

    Attributes:
        held: by currency, in minor units: `ledger`, `stripe`, `on_its_way` and `difference`.
        movements: how many of Stripe's were looked for in the ledger.
        faults: what is not as it must be, in words.
        payouts: how many tie, and which do not and by how much.
    """

    held: dict[str, dict[str, int]] = field(default_factory=dict)
    movements: int = 0
    faults: list[str] = field(default_factory=list)
    payouts: dict[str, Any] = field(default_factory=dict)

    def as_kept(self) -> dict[str, Any]:
        """Return what a kept report says of it."""
        return {
            "held": self.held,
            "movements": self.movements,
            "faults": self.faults,
            "payouts": self.payouts,
        }

    def in_words(self) -> list[str]:
        """Return it line by line, for a person."""
        lines = [
            f"{chart.STRIPE} Stripe balance: ledger {Money(held['ledger'], currency)}, Stripe"
            f" {Money(held['stripe'], currency)}, on its way {Money(held['on_its_way'], currency)},"
            f" difference {Money(held['difference'], currency)}"
            for currency, held in sorted(self.held.items())
        ]
        movements = counted(self.movements, "movement")
        lines.append(f"{movements} at Stripe looked for in the ledger")
        tied, waiting = self.payouts["tied"], self.payouts["waiting"]
        lines.append(f"payouts: {tied} tied to their movements, {waiting} cannot be yet")
        lines += [
            f"payout {each['payout']}: {Money(each['residual'], each['currency'])} beyond its"
            " movements"
            for each in self.payouts["residual"]
        ]
        return [*lines, *(f"FAULT: {fault}" for fault in self.faults)]


@dataclass(frozen=True, slots=True)
class _Ledger:
    """The books at one instant."""

    at: datetime
    since: datetime
    held: Mapping[str, int]
    posted: Mapping[str, int]
    faults: tuple[str, ...]
    payouts: dict[str, Any]


def compare_books(context: Context, *, since: datetime) -> Books:
    """Compare the ledger with what Stripe says it holds for us, and with each movement since.

    Raises:
        StripeUnavailableError: Stripe did not answer, or its balance never stood still.
    """
    now = context.clock.now()
    with context.db.reading() as session:
        ledger = _ledger(session, since=since, now=now)
    balance, movements = _at_stripe(context, since=ledger.since)
    books = Books(movements=len(movements), payouts=ledger.payouts)
    books.faults += [*ledger.faults, *_unposted(ledger, movements), *_unknown(ledger, movements)]
    young = [m for m in movements if m.id not in ledger.posted and _is_young(m, ledger)]
    for currency in sorted({*ledger.held, *balance}):
        held = {"ledger": ledger.held.get(currency, 0), "stripe": balance.get(currency, 0)}
        held["on_its_way"] = sum(m.net for m in young if m.currency == currency)
        held["difference"] = held["ledger"] + held["on_its_way"] - held["stripe"]
        books.held[currency] = held
        if held["difference"]:
            off = Money(held["difference"], currency)
            books.faults.append(f"the ledger says {off} more than Stripe holds for us")
    return books


def _ledger(session: Session, *, since: datetime, now: datetime) -> _Ledger:
    opened = opened_at(session)
    if opened is not None:
        since = max(since, opened + timedelta(seconds=1))
    held = session.execute(
        sa.select(Posting.currency, sa.func.sum(Posting.amount))
        .where(Posting.account_code == chart.STRIPE)
        .group_by(Posting.currency)
    )
    posted = session.execute(
        sa.select(JournalEntry.source_id, sa.func.sum(Posting.amount))
        .join(Posting, Posting.entry_id == JournalEntry.id)
        .join(
            BalanceTransaction,
            BalanceTransaction.stripe_balance_transaction_id == JournalEntry.source_id,
        )
        .where(
            JournalEntry.source_kind == SOURCE,
            Posting.account_code == chart.STRIPE,
            BalanceTransaction.created_at >= since,
        )
        .group_by(JournalEntry.source_id)
    )
    return _Ledger(
        at=now,
        since=since,
        held={currency: int(amount) for currency, amount in held},
        posted={source: int(amount) for source, amount in posted},
        faults=(*_unbalanced(session), *_never_tied(session, now)),
        payouts=_payouts(session),
    )


def _never_tied(session: Session, now: datetime) -> Iterable[str]:
    """Name payouts that arrived long ago, and of which Stripe never said what is in them."""
    arrived = sa.select(Payout.stripe_payout_id).where(
        Payout.automatic,
        Payout.status == PayoutStatus.PAID,
        Payout.residual.is_(None),
        Payout.arrives_on < accounting_day(now) - _LONG_ARRIVED,
    )
    for payout in session.scalars(arrived.order_by(Payout.arrives_on)):
        yield f"{payout} arrived, and Stripe has not said what is in it: ask Stripe"


def _at_stripe(
    context: Context, *, since: datetime
) -> tuple[dict[str, int], list[StripeBalanceTransaction]]:
    """Read the movements, and the balance they have led to: nothing may move in between."""
    movements = read.balance_transactions(context.gateway, since=since)
    for _ in range(_TRIES):
        before = read.balance(context.gateway)
        newest = movements[-1].created if movements else since
        seen = {movement.id for movement in movements}
        late = read.balance_transactions(context.gateway, since=newest)
        movements += [movement for movement in late if movement.id not in seen]
        if before == read.balance(context.gateway):
            return before, movements
    raise StripeUnavailableError("the balance did not stand still while it was read")


def _is_young(movement: StripeBalanceTransaction, ledger: _Ledger) -> bool:
    return movement.created > ledger.at - _ON_ITS_WAY


def _unposted(ledger: _Ledger, movements: Iterable[StripeBalanceTransaction]) -> Iterable[str]:
    for movement in movements:
        ours = ledger.posted.get(movement.id)
        if ours is None and movement.net and not _is_young(movement, ledger):
            yield f"{movement.id} is not in the ledger"
        elif ours is not None and ours != movement.net:
            yield f"{movement.id} is {movement.net} at Stripe and {ours} in the ledger"


def _unknown(ledger: _Ledger, movements: Iterable[StripeBalanceTransaction]) -> Iterable[str]:
    strangers = set(ledger.posted) - {movement.id for movement in movements}
    return (f"{each} is in the ledger and not at Stripe" for each in sorted(strangers))


def _unbalanced(session: Session) -> Iterable[str]:
    entries = session.scalars(
        sa.select(Posting.entry_id)
        .group_by(Posting.entry_id, Posting.currency)
        .having(sa.func.sum(Posting.amount) != 0)
    )
    return (f"the entry {entry} does not sum to zero" for entry in entries)


def _payouts(session: Session) -> dict[str, Any]:
    """Return how many payouts tie to their movements, and by what the others do not."""
    automatic = session.execute(
        sa.select(Payout.stripe_payout_id, Payout.residual, Payout.currency).where(
            Payout.automatic, Payout.status == PayoutStatus.PAID
        )
    ).all()
    return {
        "tied": sum(each.residual == 0 for each in automatic),
        "waiting": sum(each.residual is None for each in automatic),
        "residual": [
            {
                "payout": each.stripe_payout_id,
                "residual": each.residual,
                "currency": each.currency,
            }
            for each in automatic
            if each.residual
        ],
    }
