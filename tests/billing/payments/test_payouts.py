"""Payouts: each ties to its movements to the penny, or says by how much it does not."""

import sqlalchemy as sa

from billing import checkout, payments
from billing.context import Context
from billing.models import BalanceTransaction, Payout, PayoutStatus
from tests.billing.payments.gifts import (
    balances,
    charge_of,
    detail,
    expect_every_movement_once,
    give,
    tasks,
)
from tests.support.stripe import LocalStripe

STRIPE, IN_TRANSIT = "1240", "1241"


def pay_out(stripe: LocalStripe) -> str:
    """Let all that is available go to the bank, and Stripe say what was in it."""
    stripe.control("payouts/run")
    newest = stripe.client.v1.payouts.list({"limit": 1}).data[0]
    stripe.advance(seconds=3600)
    return str(newest.id)


def look(context: Context, payout_id: str) -> Payout:
    payments.look_at_payout(context, payout_id, meet=checkout.look_at_payment)
    return ours(context, payout_id)


def ours(context: Context, payout_id: str) -> Payout:
    with context.db.reading() as session:
        return session.scalars(sa.select(Payout).where(Payout.stripe_payout_id == payout_id)).one()


def went_out_with(context: Context, payout_id: str) -> list[tuple[str, int]]:
    with context.db.reading() as session:
        rows = session.execute(
            sa.select(BalanceTransaction.reporting_category, BalanceTransaction.net)
            .where(BalanceTransaction.payout_id == payout_id)
            .order_by(BalanceTransaction.reporting_category, BalanceTransaction.net)
        )
        return [(category, net) for category, net in rows]


def test_a_payout_ties_to_the_penny_with_a_refund_a_dispute_and_fees_of_stripe_inside(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe, 25_00, look=False)
    give(context, stripe, 40_00, look=False)
    intent = give(context, stripe, 7_77, look=False)
    stripe.client.v1.refunds.create({"payment_intent": intent, "amount": 1_11})
    stripe.control("disputes/open", charge=charge_of(stripe, intent), amount=6_66)
    stripe.control("balance/adjust", kind="stripe_fee", amount=-2_34)
    stripe.control("balance/adjust", amount=-5)
    stripe.advance(days=7)
    payout_id = pay_out(stripe)

    # Nobody has walked along the balance: the payout itself brings what it is made of.
    found = look(context, payout_id)

    theirs = stripe.client.v1.payouts.retrieve(payout_id)
    assert (found.amount, found.residual, found.status) == (
        theirs.amount,
        0,
        PayoutStatus.IN_TRANSIT,
    )
    assert found.tied_at is not None
    inside = went_out_with(context, payout_id)
    assert [category for category, _ in inside] == [
        "charge", "charge", "charge", "dispute", "fee", "other_adjustment", "payout", "refund",
    ]  # fmt: skip
    assert sum(net for _, net in inside) == 0
    assert balances(context, STRIPE, IN_TRANSIT) == [0, theirs.amount]
    assert tasks(context) == ["unallocated-receipt"]  # the adjustment nobody knows
    expect_every_movement_once(context, stripe)


def test_a_payout_stripe_cannot_list_yet_is_tied_once_it_can(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(days=7)
    stripe.control("payouts/run")
    payout_id = str(stripe.client.v1.payouts.list().data[0].id)
    early = look(context, payout_id)
    assert (early.status, early.tied_at, early.residual) == (PayoutStatus.PENDING, None, None)

    stripe.advance(seconds=3600)

    assert look(context, payout_id).residual == 0


def test_a_penny_that_nothing_explains_is_named_until_it_is(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(days=7)
    payout_id = pay_out(stripe)
    stripe.rewrite(payout_id, amount=stripe.client.v1.payouts.retrieve(payout_id).amount + 1)

    assert look(context, payout_id).residual == 1
    assert tasks(context) == ["payout-residual"]
    assert "£0.01 is explained by none of them" in detail(context, "payout-residual")

    stripe.rewrite(payout_id, amount=stripe.client.v1.payouts.retrieve(payout_id).amount - 1)
    assert look(context, payout_id).residual == 0
    assert tasks(context) == []


def test_a_payout_that_was_paid_may_yet_fail_and_goes_out_again_with_the_next(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(days=7)
    payout_id = pay_out(stripe)
    stripe.advance(days=3)
    paid = look(context, payout_id)
    assert (paid.status, balances(context, STRIPE, IN_TRANSIT)) == (
        PayoutStatus.PAID,
        [0, paid.amount],
    )

    stripe.control(f"payouts/{payout_id}/fail", code="account_closed")
    for _ in range(2):
        assert look(context, payout_id).status is PayoutStatus.FAILED

    assert balances(context, STRIPE, IN_TRANSIT) == [paid.amount, 0]
    assert tasks(context) == ["payout-failed"]
    again = look(context, pay_out(stripe))
    assert (again.amount, again.residual) == (paid.amount, 0)
    assert balances(context, STRIPE, IN_TRANSIT) == [0, paid.amount]
    expect_every_movement_once(context, stripe)


def test_a_payout_takes_money_from_the_bank_where_a_dispute_left_too_little(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.advance(days=7)
    look(context, pay_out(stripe))
    stripe.control("disputes/open", charge=charge_of(stripe, intent))

    taken = look(context, pay_out(stripe))

    assert (taken.amount, taken.residual) == (-45_00, 0)
    assert balances(context, STRIPE) == [0]
    expect_every_movement_once(context, stripe)


def test_a_payout_made_by_hand_is_booked_and_never_said_to_tie(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(days=7)
    made = stripe.client.v1.payouts.create({"amount": 10_00, "currency": "gbp"})
    stripe.advance(days=3)

    found = look(context, str(made.id))

    assert (found.automatic, found.tied_at, found.residual) == (False, None, None)
    assert balances(context, IN_TRANSIT) == [10_00]
    expect_every_movement_once(context, stripe)


def test_a_payout_status_stripe_has_yet_to_invent_keeps_what_was_and_raises_the_alarm(
    context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)
    stripe.advance(days=7)
    payout_id = pay_out(stripe)
    look(context, payout_id)
    stripe.rewrite(payout_id, status="on_a_bicycle")

    assert look(context, payout_id).status is PayoutStatus.IN_TRANSIT
    assert tasks(context) == ["unknown-payout-status"]
