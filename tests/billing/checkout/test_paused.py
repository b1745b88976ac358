"""A subscription is paused while the bank still works on its first payment."""

import itertools

import pytest

from billing import checkout
from billing.context import Context
from billing.models import Checkout, CheckoutStatus
from tests.support.stripe import LocalStripe
from tests.support.subscriber import NO_FUNDS, PAYS, by_bank, session_of, start


@pytest.mark.parametrize(
    ("account", "seen"),
    [
        (PAYS, [CheckoutStatus.AWAITING_BANK, CheckoutStatus.SETTLED]),
        # Stripe tries again what failed, and then a bank is at work once more.
        (
            NO_FUNDS,
            [CheckoutStatus.AWAITING_BANK, CheckoutStatus.FAILED, CheckoutStatus.AWAITING_BANK],
        ),
    ],
)
def test_the_debit_that_was_agreed_decides_though_the_subscription_is_paused_meanwhile(
    account: str, seen: list[CheckoutStatus], by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit)
    by_bank(stripe, started.url, account)
    checkout.settle(by_debit, session_of(started))
    theirs = stripe.client.v1.subscriptions.list({"limit": 1}).data[0].id
    stripe.client.v1.subscriptions.pause(theirs, {"type": "subscription"})
    stripe.advance(days=6)

    statuses = []
    for _ in range(16):  # seven business days, and the wait before another try
        checkout.settle(by_debit, session_of(started))
        statuses.append(_status(by_debit, started))
        stripe.advance(seconds=12 * 3600)

    assert [status for status, _ in itertools.groupby(statuses)] == seen


def _status(context: Context, started: checkout.Started) -> CheckoutStatus:
    with context.db.reading() as session:
        return session.get_one(Checkout, started.checkout_id).status
