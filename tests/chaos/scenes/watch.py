"""What the worker does by itself: hear, poll, compare, remind, and raise the alarm."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from pydantic import SecretStr

from billing import access, reconciliation, subscriptions
from billing.context import Context
from billing.models import EntitlementSource, Feed, OutboxMessage, StripeEvent
from billing.reconciliation import rounds
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from billing.stripe_gateway import walk
from emails import deliver
from service import schedule, worker
from service.cli.opening import refuse_another_account
from tests.chaos import ours
from tests.chaos.scenes import parts
from tests.chaos.scenes.ends import (
    as_if_nobody_had_been_killed,
    as_if_nobody_had_been_killed_by_events_alone,
)
from tests.chaos.scenes.scene import Scene
from tests.chaos.world import SECRET, World
from webhooks import inbox, poll, rotation, silence

NEW_SECRET = "whsec_the_next_one"


def a_worker_begins(world: World) -> None:
    """Begin with a new key, say that one lives, and take up what repeats."""
    context = world.context
    refuse_another_account(context)
    worker.beat(context)
    for _ in range(2):
        schedule.run_due(context)
        schedule.run_due(context, schedule.ROUNDS)
        world.stripe.advance(days=1)
    verify(context, since=BEGINNING)


def a_job_is_not_let(world: World) -> None:
    """Do what repeats by a key that may not, and again once it is let."""
    schedule.run_due(world.context)
    world.stripe.advance(seconds=120)
    parts.stripe_refuses_our_key(world, "GET")
    schedule.run_due(world.context)
    parts.stripe_is_well(world)
    world.stripe.advance(seconds=120)
    schedule.run_due(world.context)


def a_round_is_not_let(world: World) -> None:
    """Look at everything by a key that may not read what Stripe asks of staff."""
    asked = {"kind": "error", "method": "GET", "status": 403, "path_prefix": "/v1/reviews"}
    world.stripe.control("fail_next", **asked)
    rounds.nightly(world.context)


def a_renewal_cannot_be_looked_at(world: World) -> None:
    """Remind of a renewal that is not as Stripe's are, and of it again when it is mended."""
    theirs = parts.newest(world, "subscription")
    world.stripe.rewrite(theirs["id"], start_date="long ago")
    subscriptions.remind_of_renewals(world.context)
    _mended(world)
    subscriptions.remind_of_renewals(world.context)


def _mended(world: World) -> None:
    theirs = parts.newest(world, "subscription")
    world.stripe.rewrite(theirs["id"], start_date=theirs["created"])


def _mended_in_the_end(world: World) -> None:
    _mended(world)
    as_if_nobody_had_been_killed(world)


def _a_year_nearly_over(world: World) -> None:
    parts.an_open_paper(world)
    parts.subscribed(world, price=parts.YEARLY)
    world.stripe.advance(days=358)


def everything_is_heard(world: World) -> None:
    """Hear each of Stripe's events, of a life in which nobody came back to our pages."""
    parts.hear_all(world)


def _a_life_at_stripe(world: World) -> None:
    parts.an_open_paper(world)
    for started in (parts.subscribe(world), parts.give(world)):
        world.stripe.pay(started.url)
    charge = parts.newest(world, "charge")["id"]
    world.stripe.client.v1.refunds.create({"charge": charge, "amount": 1_00})
    world.stripe.client.v1.subscriptions.update(
        parts.newest(world, "subscription")["id"], {"cancel_at_period_end": True}
    )


def one_event_alone_is_heard(world: World) -> None:
    """Hear the only word there is of a refund: no other would make good of its loss."""
    parts.hear_all(world)


def _the_other_words_of_it_are_lost(world: World) -> None:
    parts.a_giver(world)
    parts.hear_all(world)
    charge = parts.newest(world, "charge")["id"]
    world.stripe.client.v1.refunds.create({"charge": charge, "amount": 1_00})
    for event in parts.said(world):
        if event["type"] != "refund.created":
            world.stripe.rewrite(event["id"], answered=True)


def events_come_in_a_bad_hour(world: World) -> None:
    """Hear events while Stripe answers nothing, and one in whose hands workers die."""
    context = world.context
    world.deliver(parts.said(world))
    parts.stripe_is_down(world)
    parts.work_off(world)
    parts.stripe_is_well(world)
    world.stripe.advance(seconds=7 * 3600)
    inbox.ask_about_old(context)
    parts.workers_die_of(world, StripeEvent)
    parts.work_off(world)
    poll.poll_events(context)


def events_that_are_not_for_us(world: World) -> None:
    """Hear of another account, and of a clock that is before ours."""
    event = parts.said(world)[-1]
    assert parts.knock(world, {**event, "account": "acct_of_another"}) == 200
    assert parts.knock(world, event, ahead=3600) == 400
    assert parts.knock(world, event) == 200


def nobody_speaks(world: World) -> None:
    """Hear no webhook for days, though there is somebody to hear of."""
    for _ in range(2):
        world.stripe.advance(days=3)
        silence.listen(world.context)


def a_secret_is_replaced(world: World) -> None:
    """Hear the old secret, and for two days only the new one."""
    event, later = parts.said(world)[-2:]
    assert parts.knock(world, event) == 200
    world.stripe.advance(days=2)
    both = tuple(map(SecretStr, (SECRET, NEW_SECRET)))
    world.context = _changed(world.context, stripe_webhook_secrets=both)
    assert parts.knock(world, later, secret=NEW_SECRET) == 200
    assert rotation.look_for_old_secrets(world.context) == [1]


def _changed(context: Context, **settings: object) -> Context:
    return replace(context, settings=context.settings.model_copy(update=settings))


def a_month_away(world: World) -> None:
    """Begin again after a month in which nothing ran: what Stripe said is no longer listed."""
    rounds.nightly(world.context)
    poll.poll_events(world.context)
    rounds.make_up_for_a_gap(world.context)


def _nobody_was_there_for_a_month(world: World) -> None:
    parts.a_subscriber(world)
    rounds.nightly(world.context)
    poll.poll_events(world.context)
    world.stripe.advance(days=32)


def more_differs_than_we_repair_unasked(world: World) -> None:
    """Find what was never told, and ask the staff before putting it right."""
    world.stripe.pay(parts.subscribe(world).url)
    world.stripe.advance(seconds=3600)
    sweep(world.context, since=BEGINNING, feed=Feed.SWEEP, most_readers=0)
    sweep(world.context, since=BEGINNING, feed=Feed.SWEEP, most_readers=1)


def lists_are_longer_than_a_page(world: World) -> None:
    """Compare with Stripe what it lists on several pages."""
    with parts.changed(walk, _PAGE=1):
        sweep(world.context, since=BEGINNING, feed=Feed.SWEEP)


def a_right_nobody_pays_for(world: World) -> None:
    """Find a right to read whose subscription there is none of."""
    sweep(world.context, since=BEGINNING, feed=Feed.SWEEP)


def _a_right_out_of_nothing(world: World) -> None:
    parts.a_subscriber(world)
    (reader_id,), now = ours.readers(world.context), world.context.clock.now()
    with world.context.db.unit_of_work() as session:
        access.grant(
            session,
            reader_id=reader_id,
            source=EntitlementSource.SUBSCRIPTION,
            source_id=str(uuid4()),
            term=access.Term(now, now + timedelta(days=30), "Out of nothing"),
            now=now,
        )


def a_poll_meets_what_it_cannot_read(world: World) -> None:
    """Look at a checkout that is not as Stripe's are."""
    page = parts.newest(world, "checkout.session")["id"]
    world.stripe.rewrite(page, customer_details="nobody")
    world.stripe.advance(seconds=1200)
    reconciliation.poll_unfinished(world.context)


def _an_open_checkout(world: World) -> None:
    parts.an_open_paper(world)
    parts.give(world)


def _once_it_is_mended(world: World) -> None:
    world.stripe.rewrite(parts.newest(world, "checkout.session")["id"], customer_details=None)
    as_if_nobody_had_been_killed(world)


def mail_goes_out(world: World) -> None:
    """Send mail to a server that is busy, then refuses, then takes it."""
    for answer in ("451 busy", "550 no such mailbox", "250 OK"):
        parts.post(world, [answer])
        world.stripe.advance(seconds=3600)
    parts.given(world)
    with parts.changed(deliver, _BATCH_SECONDS=-1.0):  # the batch takes too long
        parts.post(world)
    parts.post(world)
    parts.given(world)
    parts.workers_die_of(world, OutboxMessage)
    parts.post(world)


def _two_gifts(world: World) -> None:
    parts.an_open_paper(world)
    for _ in range(2):
        parts.given(world)


SCENES = (
    Scene(
        everything_is_heard,
        before=_a_life_at_stripe,
        end=as_if_nobody_had_been_killed_by_events_alone,
        often=True,
    ),
    Scene(
        one_event_alone_is_heard,
        before=_the_other_words_of_it_are_lost,
        end=as_if_nobody_had_been_killed_by_events_alone,
        often=True,
    ),
    Scene(a_worker_begins, before=parts.a_subscriber),
    Scene(a_job_is_not_let, before=parts.a_subscriber),
    Scene(a_round_is_not_let, before=parts.a_subscriber),
    Scene(a_renewal_cannot_be_looked_at, before=_a_year_nearly_over, end=_mended_in_the_end),
    Scene(events_come_in_a_bad_hour, before=parts.a_subscriber),
    Scene(events_that_are_not_for_us, before=parts.a_giver),
    Scene(nobody_speaks, before=parts.a_subscriber),
    Scene(a_secret_is_replaced, before=parts.a_giver),
    Scene(a_month_away, before=_nobody_was_there_for_a_month),
    Scene(lists_are_longer_than_a_page, before=_two_gifts),
    Scene(more_differs_than_we_repair_unasked),
    Scene(a_right_nobody_pays_for, before=_a_right_out_of_nothing),
    Scene(a_poll_meets_what_it_cannot_read, before=_an_open_checkout, end=_once_it_is_mended),
    Scene(mail_goes_out, before=_two_gifts),
)
