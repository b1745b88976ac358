"""What Stripe is too busy to do is done later, once, and under the key it was decided with.

Likewise what it did, or did not, while the network lost its answer.
"""

from typing import Any

import pytest
import sqlalchemy as sa
from stripe import HTTPClient

from billing import checkout, payments
from billing.context import Context
from billing.errors import StripeUnavailableError
from billing.models import Command, CommandState
from billing.money import Money
from billing.reconciliation import finish_commands
from tests.billing.payments.gifts import appeal_total, give
from tests.support.stripe import LocalStripe

EVERY_TRY = 3  # ours and the SDK's two
LOST: tuple[dict[str, Any], ...] = (
    {"kind": "dropped"},
    {"kind": "dropped", "after_effect": True},
    {"kind": "moved"},
    {"kind": "moved", "after_effect": True},
    {"kind": "cut"},  # in the middle of the answer: it was done
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDK ask again without a pause."""
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0)


def newest(context: Context) -> Command:
    with context.db.reading() as session:
        decided = sa.select(Command).order_by(Command.created_at.desc()).limit(1)
        return session.scalars(decided).one()


def refund(context: Context, intent: str, amount: int) -> None:
    payments.refund(context, intent, amount=Money(amount), actor="staff:1", reason="asked")


def refund_later(context: Context, stripe: LocalStripe, **fault: object) -> None:
    """Fail to refund, and find it made once when what was decided is finished."""
    intent = give(context, stripe)
    stripe.control("fail_next", method="POST", times=EVERY_TRY, **fault)
    with pytest.raises(StripeUnavailableError):
        refund(context, intent, 10_00)
    assert newest(context).state is CommandState.UNKNOWN
    stripe.control("fail_next/clear")

    stripe.advance(seconds=300)
    finish_commands(context)
    finish_commands(context)

    expect_one_refund(context, stripe)


def expect_one_refund(context: Context, stripe: LocalStripe) -> None:
    assert newest(context).state is CommandState.DONE
    assert [made.amount for made in stripe.client.v1.refunds.list().data] == [10_00]
    assert appeal_total(context) == 15_00


@pytest.mark.parametrize("kind", ["lock_timeout", "lock_timeout_final", "locked", "rate_limited"])
def test_a_refund_of_what_stripe_has_locked_is_made_later_and_once_whether_told_to_retry_or_not(
    context: Context, stripe: LocalStripe, kind: str
) -> None:
    refund_later(context, stripe, kind=kind)


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_refund_whose_answer_the_network_lost_is_made_once_whether_stripe_had_made_it_or_not(
    context: Context, stripe: LocalStripe, fault: dict[str, Any]
) -> None:
    refund_later(context, stripe, **fault)


@pytest.mark.parametrize("kind", ["drip", "slow"])
def test_an_answer_that_is_slow_to_come_whole_is_waited_for(
    context: Context, stripe: LocalStripe, kind: str
) -> None:
    intent = give(context, stripe)
    stripe.control("fail_next", kind=kind, method="POST", delay=0.3)

    refund(context, intent, 10_00)
    checkout.look_at_payment(context, intent)

    expect_one_refund(context, stripe)


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_what_the_network_lost_of_a_look_is_nothing_and_the_next_look_sees_it_all(
    context: Context, stripe: LocalStripe, fault: dict[str, Any]
) -> None:
    intent = give(context, stripe, look=False)
    stripe.control("fail_next", method="GET", times=EVERY_TRY, **fault)
    with pytest.raises(StripeUnavailableError):
        checkout.look_at_payment(context, intent)
    assert appeal_total(context) == 0
    stripe.control("fail_next/clear")

    checkout.look_at_payment(context, intent)

    assert appeal_total(context) == 25_00


def test_every_intention_has_a_key_of_its_own_and_is_asked_again_in_the_same_words(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    refund(context, intent, 3_00)
    first = newest(context)
    stripe.control("fail_next", kind="dropped", method="POST", times=EVERY_TRY, after_effect=True)
    with pytest.raises(StripeUnavailableError):
        refund(context, intent, 3_00)  # the very same words, and yet another refund
    second = newest(context)
    assert first.idempotency_key != second.idempotency_key

    stripe.advance(seconds=300)
    finish_commands(context)

    again = newest(context)
    assert (again.idempotency_key, again.params, again.api_version, again.state) == (
        second.idempotency_key,
        second.params,
        second.api_version,
        CommandState.DONE,
    )
    assert [made.amount for made in stripe.client.v1.refunds.list().data] == [3_00, 3_00]
