"""What another process makes of what a killed one has left, and what must be true then."""

from collections import Counter

import sqlalchemy as sa

from billing.models import Command
from billing.stripe_gateway.commands import OPEN
from tests.chaos import model, ours
from tests.chaos.scenes import parts
from tests.chaos.world import World
from webhooks import inbox


def as_if_nobody_had_been_killed(world: World) -> None:
    """Work off what was left without a word of Stripe's, and hold it against Stripe."""
    work_off_what_was_left(world)
    all_agrees(world)
    with world.context.db.reading() as session:
        open_ = sa.select(sa.func.count()).where(Command.state.in_(OPEN))
        assert session.scalar(open_) == 0, "what we asked of Stripe is left without an end"
    nothing_more_happens(world)


def as_if_nobody_had_been_killed_by_events_alone(world: World) -> None:
    """Hear once more what was not answered 200, work it off, and compare nothing with Stripe."""
    parts.stripe_is_well(world)
    world.stripe.advance(seconds=3600)
    parts.hear_all(world)
    all_agrees(world)
    as_if_nobody_had_been_killed(world)


def all_agrees(world: World) -> None:
    """Hold what we have against Stripe: nothing is missing, and nothing was done twice."""
    context = world.context
    now = int(context.clock.now().timestamp())
    seen = model.Stripe.reading(world.objects())
    ours.agree(context, seen, now)
    assert max(ours.sessions_of_a_checkout(seen).values(), default=1) == 1
    refunds = Counter(doc["metadata"]["command"] for doc in seen["refund"] if doc["metadata"])
    assert max(refunds.values(), default=1) == 1, "one decision gave money back twice"
    with context.db.reading() as session:
        assert ours.unbalanced(session) == []


def work_off_what_was_left(world: World) -> None:
    """Do what a worker does, from the next hour on: by then every lease has run out."""
    context, stripe = world.context, world.stripe
    parts.stripe_is_well(world)
    stripe.advance(seconds=3600)
    ours.work_off(context)
    ours.reconcile(context)
    ours.work_off(context)


def nothing_more_happens(world: World) -> None:
    """Look at everything once more, and find it as it was."""
    context = world.context
    inbox.handle_due(context, most=50)
    before = ours.digest(context)
    ours.reconcile(context)
    ours.same("a second look", ours.digest(context), before)
