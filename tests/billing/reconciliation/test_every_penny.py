"""Every movement of the account is in the ledger exactly once, and every payout ties."""

import random
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout
from billing.books.totals import fund_total
from billing.context import Context
from billing.models import Dispute, DisputeStatus, Payout, PayoutStatus, Refund, RefundStatus
from billing.reconciliation import poll_balance_transactions
from billing.reports import month_at, receipts_by_fund, trial_balance
from tests.billing.payments.gifts import (
    balances,
    charge_of,
    expect_every_movement_once,
    give,
    tasks,
)
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe


def tell_a_story(context: Context, stripe: LocalStripe) -> list[dict[str, Any]]:
    """Six gifts and a subscriber: given back, taken back, won back; paid out, refused, paid out.

    Nothing of it is taken in. Returns all that Stripe has said of it, oldest first.
    """
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    gifts = [give(context, stripe, amount, look=False) for amount in range(10_00, 70_00, 10_00)]
    for amount in (1_00, 2_50):
        stripe.client.v1.refunds.create({"payment_intent": gifts[0], "amount": amount})
    failing = stripe.client.v1.refunds.create({"payment_intent": gifts[1], "amount": 5_00})
    for gift in gifts[2:4]:
        stripe.control("disputes/open", charge=charge_of(stripe, gift))
    stripe.control("disputes/open", charge=charge_of(stripe, gifts[4]), status="prevented")
    lost, won = (
        stripe.client.v1.disputes.list({"payment_intent": gift}).data[0].id for gift in gifts[2:4]
    )
    stripe.control("balance/adjust", kind="stripe_fee", amount=-1_23)
    stripe.advance(days=7)
    stripe.control("payouts/run")
    stripe.advance(days=1)
    stripe.control(f"refunds/{failing.id}/fail")
    stripe.control(f"disputes/{won}/become", status="won")
    stripe.control(f"disputes/{lost}/become", status="lost")
    first = stripe.client.v1.payouts.list().data[0].id
    stripe.control(f"payouts/{first}/fail")
    stripe.control("payouts/run")
    stripe.advance(days=4)
    return events(stripe)


def expect_the_end_of_the_story(context: Context, stripe: LocalStripe) -> None:
    expect_every_movement_once(context, stripe)
    with context.db.reading() as session:
        payouts = session.scalars(sa.select(Payout).order_by(Payout.created_at)).all()
        assert [(each.status, each.residual) for each in payouts] == [
            (PayoutStatus.FAILED, 0),
            (PayoutStatus.PAID, 0),
        ]
        in_bank = payouts[1].amount
        assert sorted(session.scalars(sa.select(Dispute.status))) == [
            DisputeStatus.LOST,
            DisputeStatus.PREVENTED,
            DisputeStatus.WON,
        ]
        assert sorted(session.scalars(sa.select(Refund.status))) == [
            RefundStatus.FAILED,
            RefundStatus.SUCCEEDED,
            RefundStatus.SUCCEEDED,
        ]
        assert fund_total(session, "appeal-95") == 210_00 - 3_50 - 30_00
        month = month_at(context.clock.now())
        controls = [*receipts_by_fund(session, month).checks, *trial_balance(session, month).checks]
        assert [check.what for check in controls if not check.agrees] == []
    assert balances(context, "1240", "1241", "7904", "7903") == [0, in_bank, 30_00, 40_00]
    assert tasks(context) == ["dispute-lost", "payout-failed", "refund-failed"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_after_disputes_failed_refunds_and_a_failed_payout_every_movement_is_booked_once_and_ties(
    context: Context, client: TestClient, stripe: LocalStripe, seed: int
) -> None:
    said = tell_a_story(context, stripe)
    if seed:
        said = said * 2
        random.Random(seed).shuffle(said)  # noqa: S311  # a test, not a secret

    deliver(client, context, said)

    expect_the_end_of_the_story(context, stripe)


def test_of_each_dispute_and_payout_only_the_last_event_is_enough(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    last: dict[str, dict[str, Any]] = {}
    for event in tell_a_story(context, stripe):
        about = event["data"]["object"]
        if about["object"] in {"dispute", "payout"}:
            last[about["id"]] = event

    deliver(client, context, last.values())
    poll_balance_transactions(context)

    expect_the_end_of_the_story(context, stripe)
