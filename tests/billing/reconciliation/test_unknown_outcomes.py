"""What we ask of Stripe happens once, whatever becomes of the answer."""

import pytest
import sqlalchemy as sa

from billing import checkout, payments
from billing.books.totals import fund_total
from billing.context import Context
from billing.errors import (
    AmountError,
    BusyError,
    RefusedError,
    StripeRefusedError,
    StripeUnavailableError,
)
from billing.models import Checkout, CheckoutStatus, CommandState, Refund
from billing.money import Money
from billing.reconciliation import finish_commands
from billing.stripe_gateway.commands import decide
from tests.support.losing import EVERY_TRY, commands, lose_answers, tasks
from tests.support.stripe import LocalStripe
from tests.support.subscriber import subscribe


def begin(context: Context) -> None:
    with pytest.raises(StripeUnavailableError):
        checkout.start_donation(
            context,
            appeal="95th-anniversary",
            amount=Money(25_00),
            reader_id=None,
            shown={},
            caller="",
        )


def gift(context: Context, stripe: LocalStripe) -> str:
    """Give £25; return the payment."""
    started = checkout.start_donation(
        context, appeal="95th-anniversary", amount=Money(25_00), reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    with context.db.reading() as session:
        theirs = session.get_one(Checkout, started.checkout_id).stripe_session_id
    checkout.settle(context, str(theirs))
    return stripe.client.v1.payment_intents.list().data[0].id


def sessions(stripe: LocalStripe) -> int:
    return len(stripe.client.v1.checkout.sessions.list().data)


def checkouts(context: Context) -> list[tuple[CheckoutStatus, bool]]:
    with context.db.reading() as session:
        rows = session.execute(sa.select(Checkout.status, Checkout.stripe_session_id))
        return [(status, theirs is not None) for status, theirs in rows]


def test_an_opening_whose_answer_was_lost_is_known_two_minutes_later_and_opened_once(
    context: Context, stripe: LocalStripe
) -> None:
    lose_answers(stripe, after_effect=True)
    begin(context)
    assert commands(context) == [CommandState.UNKNOWN]
    assert finish_commands(context) == 0

    stripe.advance(seconds=300)
    assert finish_commands(context) == 1

    assert commands(context) == [CommandState.DONE]
    assert checkouts(context) == [(CheckoutStatus.OPEN, True)]
    assert sessions(stripe) == 1


@pytest.mark.parametrize("happened", [True, False])
def test_after_a_day_stripe_is_looked_at_and_never_asked_again_for_a_page_nobody_waits_for(
    context: Context, stripe: LocalStripe, *, happened: bool
) -> None:
    lose_answers(stripe, after_effect=happened)
    begin(context)

    stripe.advance(seconds=25 * 3600)
    finish_commands(context)

    assert sessions(stripe) == int(happened)
    expected = CommandState.DONE if happened else CommandState.ABANDONED
    assert commands(context) == [expected]
    assert finish_commands(context) == 0
    if not happened:
        assert checkouts(context) == [(CheckoutStatus.FAILED, False)]


def test_a_refund_whose_answer_was_lost_is_made_once(context: Context, stripe: LocalStripe) -> None:
    intent = gift(context, stripe)
    lose_answers(stripe, after_effect=True)
    with pytest.raises(StripeUnavailableError):
        payments.refund(context, intent, amount=Money(10_00), actor="staff:1", reason="asked")
    with pytest.raises(BusyError, match="not certain yet"):
        payments.refund(context, intent, amount=Money(10_00), actor="staff:1", reason="again")

    stripe.advance(seconds=300)
    assert finish_commands(context) == 1

    assert [refund.amount for refund in stripe.client.v1.refunds.list().data] == [10_00]
    with context.db.reading() as session:
        assert session.scalars(sa.select(Refund.amount)).all() == [10_00]
        assert fund_total(session, "appeal-95") == 15_00


def test_a_refund_nobody_heard_of_for_a_day_is_looked_for_and_not_made(
    context: Context, stripe: LocalStripe
) -> None:
    intent = gift(context, stripe)
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        payments.refund(context, intent, amount=None, actor="staff:1", reason="asked")

    stripe.advance(days=20)  # so long was nobody there to look
    finish_commands(context)

    assert stripe.client.v1.refunds.list().data == []
    assert commands(context)[-1] is CommandState.ABANDONED
    (asked,) = tasks(context)
    assert asked.kind == "refund-not-done"
    assert f"for {intent} (create) was not done" in asked.detail
    assert payments.refund(
        context, intent, amount=None, actor="staff:1", reason="once more"
    ) == Money(25_00)


def test_a_failure_stripe_keeps_under_the_key_is_got_round_by_looking_and_a_new_key(
    context: Context, stripe: LocalStripe
) -> None:
    intent = gift(context, stripe)
    stripe.control("fail_next", kind="kept_error", method="POST", status=500)

    payments.refund(context, intent, amount=Money(5_00), actor="staff:1", reason="asked")

    assert [refund.amount for refund in stripe.client.v1.refunds.list().data] == [5_00]
    assert commands(context)[-1] is CommandState.DONE


def test_no_more_is_given_back_than_is_left_and_nothing_of_what_never_arrived(
    context: Context, stripe: LocalStripe
) -> None:
    intent = gift(context, stripe)
    payments.refund(context, intent, amount=Money(20_00), actor="staff:1", reason="a part")
    checkout.look_at_payment(context, intent)

    with pytest.raises(AmountError, match="is left of this"):
        payments.refund(context, intent, amount=Money(5_01), actor="staff:1", reason="too much")
    with pytest.raises(RefusedError, match="no payment that arrived"):
        payments.refund(context, "pi_unknown", amount=None, actor="staff:1", reason="whose?")
    assert payments.refund(
        context, intent, amount=None, actor="staff:1", reason="the rest"
    ) == Money(5_00)


def test_what_stripe_refuses_is_over(context: Context, stripe: LocalStripe) -> None:
    intent = gift(context, stripe)
    stripe.client.v1.refunds.create({"payment_intent": intent})  # at Stripe; we have not heard yet

    with pytest.raises(StripeRefusedError):
        payments.refund(context, intent, amount=None, actor="staff:1", reason="asked")

    assert commands(context)[-1] is CommandState.REFUSED
    stripe.advance(seconds=3600)
    assert finish_commands(context) == 0


def test_what_nobody_lived_to_ask_is_told_to_the_staff_when_it_comes_to_nothing(
    context: Context, stripe: LocalStripe
) -> None:
    intent = gift(context, stripe)
    now = context.clock.now()
    params = {"payment_intent": intent, "amount": 99_00}  # more than there is
    with context.db.unit_of_work() as session:
        decide(session, "refund.create", subject=intent, params=params, now=now)

    stripe.advance(seconds=300)
    finish_commands(context)

    assert commands(context)[-1] is CommandState.REFUSED
    assert [task.kind for task in tasks(context)] == ["refund-not-done"]


def test_a_new_card_that_was_chosen_and_never_used_is_told_to_the_staff(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    theirs = stripe.client.v1.subscriptions.list().data[0].id
    params = {"default_payment_method": "pm_of_nobody"}
    with context.db.unit_of_work() as session:
        decide(
            session,
            "method.pay_from",
            subject=f"{theirs}:method",
            params=params,
            now=context.clock.now(),
        )

    stripe.advance(seconds=300)
    finish_commands(context)

    assert [task.kind for task in tasks(context)] == ["method-not-done"]


def test_what_waits_for_hours_is_asked_about_and_no_more_once_it_is_done(
    context: Context, stripe: LocalStripe
) -> None:
    intent = gift(context, stripe)
    lose_answers(stripe, after_effect=True)
    with pytest.raises(StripeUnavailableError):
        payments.refund(context, intent, amount=None, actor="staff:1", reason="asked")
    stripe.advance(seconds=7 * 3600)
    lose_answers(stripe, after_effect=False)

    finish_commands(context)

    (asked,) = tasks(context)
    assert (asked.kind, asked.closed_at) == ("commands-wait", None)
    assert f"first refund.create for {intent}" in asked.detail
    stripe.control("fail_next/clear")
    stripe.advance(seconds=2 * 3600)
    finish_commands(context)
    (seen_to,) = tasks(context)
    assert seen_to.closed_at is not None


def test_a_right_our_key_lacks_for_what_was_decided_is_told_at_once(
    context: Context, stripe: LocalStripe
) -> None:
    intent = gift(context, stripe)
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        payments.refund(context, intent, amount=None, actor="staff:1", reason="asked")
    stripe.advance(seconds=300)
    stripe.control("fail_next", kind="error", status=403, method="POST", times=EVERY_TRY)

    finish_commands(context)

    (asked,) = tasks(context)
    assert (asked.kind, asked.subject) == ("key-refused", "refund.create")
