"""What may happen to a subscription while a bank still works on its first payment."""

import itertools
from typing import Any

import pytest

from billing import checkout
from billing.context import Context
from billing.models import Checkout, CheckoutStatus
from tests.support.stripe import LocalStripe
from tests.support.subscriber import NO_FUNDS, PAYS, by_bank, mirror, session_of, start


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
    started = _agreed(by_debit, stripe, account)
    stripe.client.v1.subscriptions.pause(_theirs(stripe).id, {"type": "subscription"})
    stripe.advance(days=6)

    statuses = []
    for _ in range(16):  # seven business days, and the wait before another try
        checkout.settle(by_debit, session_of(started))
        statuses.append(_status(by_debit, started))
        stripe.advance(seconds=12 * 3600)

    assert [status for status, _ in itertools.groupby(statuses)] == seen


def test_a_change_that_is_invoiced_meanwhile_does_not_make_the_debit_look_paid(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = _agreed(by_debit, stripe, PAYS)
    theirs = _theirs(stripe)
    price = stripe.client.v1.prices.list({"lookup_keys": ["digital-month-concession"]}).data[0].id
    item: Any = {"id": theirs["items"].data[0].id, "price": price}
    stripe.client.v1.subscriptions.update(
        theirs.id, {"items": [item], "proration_behavior": "always_invoice"}
    )

    checkout.settle(by_debit, session_of(started))

    ours = mirror(by_debit)
    assert stripe.client.v1.invoices.list().data[0].billing_reason == "subscription_update"
    assert (ours.paid_until, ours.provisional_until is None) == (ours.started_at, False)
    assert _status(by_debit, started) is CheckoutStatus.AWAITING_BANK


def test_a_first_debit_that_failed_is_told_though_the_next_period_is_the_first_we_see(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit)
    by_bank(stripe, started.url, NO_FUNDS)
    stripe.control("settings", after_retries=2)
    stripe.advance(days=34)
    stripe.client.v1.subscriptions.cancel(_theirs(stripe).id)

    checkout.settle(by_debit, session_of(started))

    assert _status(by_debit, started) is CheckoutStatus.FAILED


def _agreed(context: Context, stripe: LocalStripe, account: str) -> checkout.Started:
    started = start(context)
    by_bank(stripe, started.url, account)
    checkout.settle(context, session_of(started))
    return started


def _theirs(stripe: LocalStripe) -> Any:
    return stripe.client.v1.subscriptions.list({"limit": 1}).data[0]


def _status(context: Context, started: checkout.Started) -> CheckoutStatus:
    with context.db.reading() as session:
        return session.get_one(Checkout, started.checkout_id).status
