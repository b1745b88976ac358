"""An end that was asked for, or taken back, is as was said last, whatever becomes of the answer."""

import pytest
import sqlalchemy as sa

from billing import subscriptions
from billing.context import Context
from billing.errors import StripeUnavailableError
from billing.models import Command, CommandState, Subscription
from billing.reconciliation import finish_commands
from billing.stripe_gateway.commands import Frozen, Way, ask, decide, supersede
from tests.support.losing import commands, lose_answers, tasks
from tests.support.stripe import LocalStripe
from tests.support.subscriber import subscribe


def test_an_end_that_was_asked_for_is_carried_out_a_day_later_though_no_answer_ever_came(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        subscriptions.cancel_at_period_end(
            context, reader_id=reader_id, subscription_id=subscription_id
        )

    stripe.advance(seconds=25 * 3600)
    assert finish_commands(context) == 1

    assert commands(context)[-1] is CommandState.DONE
    assert stripe.client.v1.subscriptions.list().data[0].cancel_at_period_end
    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription.ends_on)).one() is not None


def test_the_last_word_counts_an_unknown_end_is_not_carried_out_after_the_reader_kept(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        subscriptions.cancel_at_period_end(
            context, reader_id=reader_id, subscription_id=subscription_id
        )
    subscriptions.keep(context, reader_id=reader_id, subscription_id=subscription_id)

    stripe.advance(seconds=3600)
    finish_commands(context)

    assert commands(context)[1:] == [CommandState.ABANDONED, CommandState.DONE]
    assert not stripe.client.v1.subscriptions.list().data[0].cancel_at_period_end


def test_what_was_tried_again_in_vain_and_then_taken_back_is_no_question(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    who = {"reader_id": reader_id, "subscription_id": subscription_id}
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        subscriptions.cancel_at_period_end(context, **who)
    stripe.advance(seconds=600)
    lose_answers(stripe, after_effect=False)
    finish_commands(context)
    stripe.control("fail_next/clear")

    subscriptions.keep(context, **who)
    stripe.advance(seconds=3600)
    finish_commands(context)

    assert commands(context)[1:] == [CommandState.ABANDONED, CommandState.DONE]
    assert tasks(context) == []


def test_an_end_whose_answer_is_lost_only_after_the_reader_kept_stays_given_up(
    context: Context,
) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        command = decide(session, "subscription.keep", subject="sub_1", params={}, now=now)

    def superseded_meanwhile(_params: Frozen, _options: dict[str, str]) -> None:
        with context.db.unit_of_work() as session:
            supersede(session, subject="sub_1")
        raise StripeUnavailableError("no answer")

    way = Way(call=superseded_meanwhile, look=lambda _command: None, lasting=True)
    with pytest.raises(StripeUnavailableError):
        ask(context.db, command.id, way, clock=context.clock)

    assert commands(context) == [CommandState.ABANDONED]


def test_an_end_that_cannot_be_taken_back_any_more_is_told_to_the_staff(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    who = {"reader_id": reader_id, "subscription_id": subscription_id}
    subscriptions.cancel_at_period_end(context, **who)
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        subscriptions.keep(context, **who)
    stripe.client.v1.subscriptions.cancel(stripe.client.v1.subscriptions.list().data[0].id)

    stripe.advance(seconds=25 * 3600)
    finish_commands(context)

    (asked,) = tasks(context)
    assert asked.kind == "subscription-not-done"
    assert "(keep) was not done" in asked.detail


def test_an_end_that_came_sooner_than_asked_is_done(context: Context, stripe: LocalStripe) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        subscriptions.cancel_at_period_end(
            context, reader_id=reader_id, subscription_id=subscription_id
        )
    stripe.client.v1.subscriptions.cancel(stripe.client.v1.subscriptions.list().data[0].id)

    stripe.advance(seconds=25 * 3600)
    finish_commands(context)

    assert commands(context)[-1] is CommandState.DONE
    assert tasks(context) == []


def test_an_end_that_staff_have_put_off_meanwhile_is_not_taken_for_the_one_that_was_asked(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    lose_answers(stripe, after_effect=False)
    with pytest.raises(StripeUnavailableError):
        subscriptions.cancel_at_period_end(
            context, reader_id=reader_id, subscription_id=subscription_id
        )
    theirs = stripe.client.v1.subscriptions.list().data[0]
    ends = theirs["items"].data[0].current_period_end
    stripe.client.v1.subscriptions.update(theirs.id, {"cancel_at": ends + 90 * 24 * 3600})

    stripe.advance(seconds=25 * 3600)
    finish_commands(context)

    assert stripe.client.v1.subscriptions.retrieve(theirs.id).cancel_at == ends


@pytest.mark.parametrize("dated", [True, False])
def test_an_end_is_taken_back_in_the_writing_it_has(
    context: Context, stripe: LocalStripe, *, dated: bool
) -> None:
    ours = subscribe(context, stripe)
    reader_id, subscription_id = ours.reader_id, ours.id
    who = {"reader_id": reader_id, "subscription_id": subscription_id}
    subscriptions.cancel_at_period_end(context, **who)
    theirs = stripe.client.v1.subscriptions.list().data[0].id
    if dated:  # as the portal writes it
        stripe.rewrite(theirs, cancel_at_period_end=False)

    subscriptions.keep(context, **who)

    with context.db.reading() as session:
        asked = session.scalars(sa.select(Command.params).where(Command.kind.endswith("keep")))
        assert asked.one() == ({"cancel_at": ""} if dated else {"cancel_at_period_end": False})
        assert session.scalars(sa.select(Subscription.ends_on)).one() is None
    assert stripe.client.v1.subscriptions.retrieve(theirs).cancel_at is None
