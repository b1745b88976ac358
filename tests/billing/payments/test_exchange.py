"""Money charged in euros and settled in pounds is booked as Stripe settled it, to the penny.

The local Stripe changes no money: its rows are written here as Stripe writes them of a payer who is
charged in another currency than the account is paid out in. What was charged keeps its euros; each
movement of the balance is in pounds, at the rate and with the fee of its own day.

Source: https://docs.stripe.com/currencies/conversions
"""

import json

import sqlalchemy as sa

from billing import checkout, payments
from billing.context import Context
from billing.models import BalanceTransaction, Donation, OutboxMessage, Payment, Payout
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.verify import verify
from billing.reports import month_at, receipts_by_fund, trial_balance
from tests.billing.payments.gifts import (
    appeal_total,
    balances,
    charge_of,
    expect_every_movement_once,
    give,
    tasks,
)
from tests.support.stripe import LocalStripe

STRIPE, IN_TRANSIT, FEES_GIFTS, DISPUTE_FEES, LOST = "1240", "1241", "7902", "7903", "7904"


def settle(stripe: LocalStripe, movement: str, *, amount: int, fee: int = 0, rate: float) -> None:
    """Let a movement be in pounds, and its fee with the part that the exchange cost."""
    told = {"amount": fee, "currency": "gbp", "description": "Stripe fee", "type": "stripe_fee"}
    stripe.rewrite(
        movement,
        amount=amount,
        currency="gbp",
        exchange_rate=rate,
        fee=fee,
        fee_details=[told | {"application": None}] if fee else [],
        net=amount - fee,
    )


def give_euros(context: Context, stripe: LocalStripe) -> str:
    """Give 29 euros, of which Stripe makes £24.97 and keeps 86p; nothing is taken in yet."""
    intent = give(context, stripe, look=False)
    charge = charge_of(stripe, intent)
    stripe.rewrite(intent, amount=29_00, amount_received=29_00, currency="eur")
    stripe.rewrite(charge, amount=29_00, amount_captured=29_00, currency="eur")
    moved = stripe.client.v1.charges.retrieve(charge).balance_transaction
    settle(stripe, str(moved), amount=24_97, fee=86, rate=0.861)
    return intent


def refund_euros(stripe: LocalStripe, intent: str) -> None:
    """Give 10 of them back, which cost £8.67 by then."""
    made = stripe.client.v1.refunds.create({"payment_intent": intent, "amount": 10_00})
    settle(stripe, str(made.balance_transaction), amount=-8_67, rate=0.867)


def lose_euros(stripe: LocalStripe, intent: str) -> None:
    """Have the payer's bank take the other 19, at £16.13, for good; it costs another £20."""
    stripe.control("disputes/open", charge=charge_of(stripe, intent))
    (dispute,) = stripe.client.v1.disputes.list({"payment_intent": intent}).data
    (taken,) = dispute.balance_transactions
    settle(stripe, taken.id, amount=-16_13, fee=20_00, rate=0.849)
    moved = json.loads(str(stripe.client.v1.balance_transactions.retrieve(taken.id)))
    stripe.rewrite(dispute.id, balance_transactions=[moved])  # which are kept in it whole
    stripe.control(f"disputes/{dispute.id}/become", status="lost")


def test_a_gift_in_euros_is_booked_by_what_stripe_settled_and_its_payout_ties(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give_euros(context, stripe)

    checkout.look_at_payment(context, intent)

    assert balances(context, STRIPE, FEES_GIFTS) == [24_11, 86]
    assert appeal_total(context) == 24_97
    with context.db.reading() as session:
        paid = session.scalars(sa.select(Payment)).one()
        assert (paid.amount, paid.currency) == (29_00, "eur")
        gift = session.scalars(sa.select(Donation)).one()
        assert (gift.amount, gift.currency) == (29_00, "eur")
        moved = session.scalars(sa.select(BalanceTransaction)).one()
        assert (moved.amount, moved.fee, moved.net, moved.currency) == (24_97, 86, 24_11, "gbp")
        thanks = session.scalars(sa.select(OutboxMessage)).one()
        assert thanks.payload["receipt"]["amount"] == {"amount": 29_00, "currency": "eur"}
    expect_every_movement_once(context, stripe)
    stripe.advance(days=7)
    stripe.control("payouts/run")
    stripe.advance(seconds=3600)
    (payout,) = stripe.client.v1.payouts.list().data
    payments.look_at_payout(context, payout.id, meet=checkout.look_at_payment)
    with context.db.reading() as session:
        ours = session.scalars(sa.select(Payout)).one()
        assert (ours.amount, ours.currency, ours.residual) == (24_11, "gbp", 0)
    assert balances(context, STRIPE, IN_TRANSIT) == [0, 24_11]
    expect_every_movement_once(context, stripe)
    assert tasks(context) == []


def test_what_goes_back_in_euros_is_booked_in_the_pounds_it_cost_on_its_day(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give_euros(context, stripe)
    refund_euros(stripe, intent)
    lose_euros(stripe, intent)

    checkout.look_at_payment(context, intent)
    (dispute,) = stripe.client.v1.disputes.list().data
    payments.look_at_dispute(context, dispute.id, meet=checkout.look_at_payment)

    assert appeal_total(context) == 24_97 - 8_67 - 16_13
    assert balances(context, LOST, DISPUTE_FEES, FEES_GIFTS) == [16_13, 20_00, 86]
    assert balances(context, STRIPE) == [24_11 - 8_67 - 36_13]
    expect_every_movement_once(context, stripe)
    with context.db.reading() as session:
        paid = session.scalars(sa.select(Payment)).one()
        assert (paid.refunded_amount, paid.currency) == (10_00, "eur")
        month = month_at(context.clock.now())
        controls = [*receipts_by_fund(session, month).checks, *trial_balance(session, month).checks]
        assert [check.what for check in controls if not check.agrees] == []
    verified = verify(context, since=BEGINNING)
    assert verified.exit_code == 0, verified.lines
