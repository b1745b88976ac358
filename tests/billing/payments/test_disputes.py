"""Disputes: what they move, what they ask of staff, and that only how they stand matters."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import checkout, payments
from billing.books.totals import fund_total
from billing.clock import accounting_day
from billing.context import Context
from billing.models import BalanceTransaction, Dispute, DisputeStatus, Posting, Task
from billing.reconciliation import poll_balance_transactions
from tests.billing.payments.gifts import (
    appeal_total,
    balances,
    charge_of,
    detail,
    expect_every_movement_once,
    give,
    tasks,
)
from tests.support.stripe import LocalStripe

LOST, FEES, GIFTS = "7904", "7903", "4910"
FEE = 20_00


def dispute(stripe: LocalStripe, intent: str, **how: object) -> str:
    stripe.control("disputes/open", charge=charge_of(stripe, intent), **how)
    return str(stripe.client.v1.disputes.list({"payment_intent": intent}).data[0].id)


def look(context: Context, dispute_id: str) -> None:
    payments.look_at_dispute(context, dispute_id, meet=checkout.look_at_payment)


def standing(context: Context, dispute_id: str) -> dict[str, Any]:
    """Return all we hold of one dispute, without when it was written."""
    with context.db.reading() as session:
        ours = session.scalars(
            sa.select(Dispute).where(Dispute.stripe_dispute_id == dispute_id)
        ).one()
        open_of_it = sa.select(Task.kind).where(
            Task.subject == dispute_id, Task.closed_at.is_(None)
        )
        moved = sa.select(BalanceTransaction.reporting_category, BalanceTransaction.net).where(
            BalanceTransaction.source_id == dispute_id
        )
        return {
            "status": ours.status,
            "answerable": ours.due_by is not None,
            "tasks": sorted(session.scalars(open_of_it)),
            "moved": sorted((category, net) for category, net in session.execute(moved)),
        }


TAKEN = ("dispute", -25_00 - FEE)
RETURNED = ("dispute_reversal", 25_00)
HISTORIES = [
    (["needs_response"], {"answerable": True, "tasks": ["dispute"], "moved": [TAKEN]}),
    (["needs_response", "under_review"], {"tasks": [], "moved": [TAKEN]}),
    (["needs_response", "under_review", "won"], {"tasks": [], "moved": [TAKEN, RETURNED]}),
    (["needs_response", "lost"], {"tasks": ["dispute-lost"], "moved": [TAKEN]}),
    (
        ["needs_response", "lost", "appeal_needs_response"],
        {"answerable": True, "tasks": ["dispute-appeal"], "moved": [TAKEN]},
    ),
    (
        ["needs_response", "lost", "appeal_needs_response", "appeal_under_review", "won"],
        {"tasks": [], "moved": [TAKEN, RETURNED]},
    ),
    (
        ["needs_response", "lost", "appeal_needs_response", "appeal_under_review", "lost"],
        {"tasks": ["dispute-lost"], "moved": [TAKEN]},
    ),
    (
        ["warning_needs_response"],
        {"answerable": True, "tasks": ["dispute-inquiry"], "moved": []},
    ),
    (["warning_needs_response", "warning_under_review", "warning_closed"], {"moved": []}),
    (
        ["warning_needs_response", "needs_response"],
        {"answerable": True, "tasks": ["dispute"], "moved": [TAKEN]},
    ),
    (["warning_needs_response", "prevented"], {"moved": []}),
    (["prevented"], {"moved": []}),
]


@pytest.mark.parametrize(
    ("history", "end"), HISTORIES, ids=[" ".join(history) for history, _ in HISTORIES]
)
def test_a_dispute_ends_the_same_whether_we_saw_all_of_it_or_only_its_end(
    context: Context, stripe: LocalStripe, history: Sequence[str], end: dict[str, Any]
) -> None:
    followed, missed = (give(context, stripe) for _ in range(2))
    first = dispute(stripe, followed, status=history[0])
    other = dispute(stripe, missed, status=history[0])
    look(context, first)
    for status in history[1:]:
        for each in (first, other):
            stripe.control(f"disputes/{each}/become", status=status)
        look(context, first)
        look(context, first)

    look(context, other)

    expected = {"status": history[-1], "answerable": False, "tasks": []} | end
    assert standing(context, first) == standing(context, other) == expected
    taken = -sum(net for _, net in end["moved"] if end["moved"]) * 2
    lost = 0 if RETURNED in end["moved"] or not taken else 50_00
    assert balances(context, GIFTS, LOST, FEES) == [-50_00, lost, taken - lost]
    assert appeal_total(context) == 50_00 - lost
    expect_every_movement_once(context, stripe)


def test_a_dispute_tells_staff_until_when_they_may_answer_and_no_longer(
    context: Context, stripe: LocalStripe
) -> None:
    due = accounting_day(context.clock.now() + timedelta(days=9))
    first = dispute(stripe, give(context, stripe), reason="product_not_received")
    look(context, first)

    assert f"by {due:%-d %B %Y} ({first}, product not received)" in detail(context, "dispute")
    assert "has taken back £25.00" in detail(context, "dispute")

    stripe.advance(days=9)
    stripe.rewrite(first, status="needs_response")  # Stripe has not closed it yet
    look(context, first)
    assert tasks(context) == []


def test_an_indemnity_claim_years_later_is_a_loss_of_that_day_and_leaves_its_month_alone(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    debit = {"type": "bacs_debit", "bacs_debit": {"last4": "2345", "sort_code": "108800"}}
    stripe.rewrite(charge_of(stripe, intent), payment_method_details=debit)
    stripe.advance(days=800)
    today = accounting_day(context.clock.now())

    claim = dispute(stripe, intent, reason="debit_not_authorized")
    look(context, claim)

    assert standing(context, claim) == {
        "status": DisputeStatus.LOST,
        "answerable": False,
        "tasks": ["dispute-lost"],
        "moved": [TAKEN],
    }
    with context.db.reading() as session:
        assert fund_total(session, "appeal-95", until=today) == 25_00
        assert fund_total(session, "appeal-95") == 0
        lost_on = sa.select(Posting.day).where(Posting.account_code == LOST)
        assert session.scalars(lost_on).all() == [today]


def test_a_status_stripe_has_yet_to_invent_keeps_what_was_and_raises_the_alarm(
    context: Context, stripe: LocalStripe
) -> None:
    first = dispute(stripe, give(context, stripe))
    look(context, first)
    stripe.rewrite(first, status="mediated_by_owl")

    look(context, first)

    assert standing(context, first)["status"] is DisputeStatus.NEEDS_RESPONSE
    assert tasks(context) == ["dispute", "unknown-dispute-status"]
    assert "'mediated_by_owl'" in detail(context, "unknown-dispute-status")
    stripe.rewrite(first, status="under_review")
    look(context, first)
    assert tasks(context) == []


def test_a_dispute_seen_before_its_payment_is_a_loss_of_the_right_fund(
    context: Context, stripe: LocalStripe
) -> None:
    first = dispute(stripe, give(context, stripe, look=False))

    look(context, first)

    assert balances(context, GIFTS, LOST) == [-25_00, 25_00]
    assert appeal_total(context) == 0


def test_the_walk_along_the_balance_books_a_dispute_as_its_look_does(
    context: Context, stripe: LocalStripe
) -> None:
    first = dispute(stripe, give(context, stripe, look=False))

    poll_balance_transactions(context)
    booked = balances(context, GIFTS, LOST, FEES)
    look(context, first)

    assert booked == balances(context, GIFTS, LOST, FEES) == [-25_00, 25_00, FEE]
    expect_every_movement_once(context, stripe)


def test_a_dispute_stripe_does_not_have_is_nothing(context: Context, stripe: LocalStripe) -> None:
    look(context, "dp_of_nobody")

    with context.db.reading() as session:
        assert session.scalars(sa.select(Dispute)).all() == []
