"""The polls bring what no event tells: whatever our clock says, and whatever else fails."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from billing import checkout
from billing.books.ledger import account_balance
from billing.clock import Clock
from billing.context import Context
from billing.models import Account, AccountKind, Checkout, CheckoutKind, CheckoutStatus, Task
from billing.money import Money
from billing.reconciliation import poll_balance_transactions, poll_unfinished
from tests.support.stripe import LocalStripe


def give(context: Context, stripe: LocalStripe, appeal: str = "95th-anniversary") -> None:
    started = checkout.start_donation(
        context,
        appeal=appeal,
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="192.0.2.1",
    )
    stripe.pay(started.url)


def balance(context: Context, code: str) -> int:
    with context.db.reading() as session:
        return account_balance(session, code)


def test_a_clock_of_ours_that_is_ahead_of_stripes_loses_no_movement(
    context: Context, stripe: LocalStripe, tmp_path: Path
) -> None:
    ahead = tmp_path / "ahead"
    ahead.write_text(str(int(timedelta(hours=2).total_seconds())))
    context = replace(context, clock=Clock(ahead))
    give(context, stripe)
    assert poll_balance_transactions(context) == 1

    give(context, stripe)
    assert poll_balance_transactions(context) == 1

    assert balance(context, "4910") == -50_00


def test_one_movement_that_cannot_be_posted_keeps_no_other_waiting_and_is_not_forgotten(
    context: Context, stripe: LocalStripe
) -> None:
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Account).where(Account.code == "4910"))
    give(context, stripe, "95th-anniversary")
    give(context, stripe, "fighting-fund")

    assert poll_balance_transactions(context) == 1
    assert balance(context, "4900") == -25_00
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["poll-failed"]

    stripe.advance(days=2)
    give(context, stripe, "fighting-fund")
    assert poll_balance_transactions(context) == 1
    with context.db.unit_of_work() as session:
        session.add(Account(code="4910", name="The appeal", kind=AccountKind.INCOME))
    assert poll_balance_transactions(context) == 1
    assert balance(context, "4910") == -25_00
    assert poll_balance_transactions(context) == 0


def test_one_checkout_that_cannot_be_settled_keeps_no_other_waiting(
    context: Context, stripe: LocalStripe
) -> None:
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Account).where(Account.code == "4910"))
    give(context, stripe, "fighting-fund")
    give(context, stripe, "95th-anniversary")
    stripe.advance(seconds=601)

    assert poll_unfinished(context) == 1

    assert balance(context, "4900") == -25_00


def test_an_old_checkout_is_settled_though_many_newer_ones_are_open(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(days=1)
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        session.add_all(
            Checkout(
                id=uuid4(),
                kind=CheckoutKind.DONATION,
                item="95th-anniversary",
                amount=5_00,
                browser_hash="",
                stripe_session_id=f"cs_abandoned_{number}",
                created_at=now - timedelta(hours=1),
                expires_at=now,
            )
            for number in range(101)
        )

    def settled() -> bool:
        with context.db.reading() as session:
            return CheckoutStatus.SETTLED in session.scalars(sa.select(Checkout.status)).all()

    for _ in range(12):  # by lot, each time as likely as not
        if not settled():
            poll_unfinished(context)

    assert settled()


def test_while_stripe_does_not_answer_only_a_few_are_asked_after(
    context: Context, stripe: LocalStripe
) -> None:
    for _ in range(8):
        give(context, stripe)
    stripe.advance(seconds=601)
    # A refusal for asking too often is not asked again by the SDK: one fault, one look.
    stripe.control("fail_next", method="GET", status=429, times=5)

    assert poll_unfinished(context) == 8
    assert poll_unfinished(context) == 0

    assert balance(context, "4910") == -200_00
