"""What Stripe is too busy to do is done later, once, and under the key it was decided with."""

import pytest
import sqlalchemy as sa
from stripe import HTTPClient

from billing import payments
from billing.context import Context
from billing.errors import StripeUnavailableError
from billing.models import Command, CommandState
from billing.money import Money
from billing.reconciliation import finish_commands
from tests.billing.payments.gifts import appeal_total, give
from tests.support.stripe import LocalStripe

EVERY_TRY = 3  # ours and the SDK's two


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


@pytest.mark.parametrize("kind", ["lock_timeout", "lock_timeout_final", "locked", "rate_limited"])
def test_a_refund_of_what_stripe_has_locked_is_made_later_and_once_whether_told_to_retry_or_not(
    context: Context, stripe: LocalStripe, kind: str
) -> None:
    intent = give(context, stripe)
    stripe.control("fail_next", kind=kind, method="POST", times=EVERY_TRY)
    with pytest.raises(StripeUnavailableError):
        refund(context, intent, 10_00)
    assert newest(context).state is CommandState.UNKNOWN
    stripe.control("fail_next/clear")

    stripe.advance(seconds=300)
    finish_commands(context)
    finish_commands(context)

    assert newest(context).state is CommandState.DONE
    assert [made.amount for made in stripe.client.v1.refunds.list().data] == [10_00]
    assert appeal_total(context) == 15_00


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
