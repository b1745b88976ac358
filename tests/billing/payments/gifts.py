"""Gifts as the tests of payments make them, and what must hold of the books whatever happens."""

import sqlalchemy as sa

from billing import checkout
from billing.books.ledger import account_balance
from billing.books.totals import fund_total
from billing.context import Context
from billing.models import BalanceTransaction, JournalEntry, Posting, Task
from billing.money import Money
from billing.reconciliation import poll_balance_transactions
from billing.stripe_gateway import read
from tests.support.stripe import LocalStripe


def give(
    context: Context,
    stripe: LocalStripe,
    amount: int = 25_00,
    *,
    appeal: str = "95th-anniversary",
    look: bool = True,
) -> str:
    """Give an amount to an appeal, and return the payment intent; `look` takes it in at once."""
    started = checkout.start_donation(
        context, appeal=appeal, amount=Money(amount), reader_id=None, shown={}, caller="192.0.2.1"
    )
    stripe.pay(started.url)
    theirs = stripe.client.v1.checkout.sessions.retrieve(started.url.rsplit("/", 1)[1])
    intent = str(theirs.payment_intent)
    if look:
        checkout.look_at_payment(context, intent)
    return intent


def charge_of(stripe: LocalStripe, intent: str) -> str:
    return str(stripe.client.v1.payment_intents.retrieve(intent).latest_charge)


def tasks(context: Context) -> list[str]:
    """Return what waits for somebody, by kind."""
    with context.db.reading() as session:
        return sorted(session.scalars(sa.select(Task.kind).where(Task.closed_at.is_(None))))


def detail(context: Context, kind: str) -> str:
    with context.db.reading() as session:
        return session.scalars(sa.select(Task.detail).where(Task.kind == kind)).one()


def balances(context: Context, *codes: str) -> list[int]:
    with context.db.reading() as session:
        return [account_balance(session, code) for code in codes]


def appeal_total(context: Context) -> int:
    with context.db.reading() as session:
        return fund_total(session, "appeal-95")


def expect_every_movement_once(context: Context, stripe: LocalStripe) -> None:
    """Hold the ledger to Stripe: each movement is one entry, and the balance is the same penny."""
    poll_balance_transactions(context)
    moved = stripe.client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter()
    theirs = {movement.id: movement.net for movement in moved}
    with context.db.reading() as session:
        kept = session.execute(
            sa.select(BalanceTransaction.stripe_balance_transaction_id, BalanceTransaction.net)
        )
        assert {row[0]: row[1] for row in kept} == theirs
        entries = session.scalars(sa.select(JournalEntry.source_id)).all()
        assert sorted(entries) == sorted(theirs)
        sums = session.execute(
            sa.select(Posting.currency, sa.func.sum(Posting.amount)).group_by(Posting.currency)
        )
        assert {currency: int(total) for currency, total in sums} == {"gbp": 0}
        assert account_balance(session, "1240") == read.balance(context.gateway)["gbp"]
