"""What a reader may do with their subscription: end it with the paid period, or keep it."""

from collections.abc import Callable
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy.orm import Session

from billing import audit, rate_limits
from billing.context import Context
from billing.errors import NotEndedError, RefusedError, StripeRefusedError
from billing.models import Command, Subscription
from billing.stripe_gateway import commands, read_billing
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.follow import look_again

_END: Final = commands.END
_KEEP: Final = "subscription.keep"
# Each new end is told by mail, to an address nobody may have proved. Ending is never limited.
_CHANGES_OF_MIND: Final = rate_limits.Limit("subscription kept", 5, minutes=24 * 60)


def cancel_at_period_end(context: Context, *, reader_id: UUID, subscription_id: UUID) -> None:
    """End a subscription when what is paid runs out; it can be undone until then.

    Raises:
        RefusedError: it is not this reader's, or it is over.
        NotEndedError: Stripe refused, as for one that a schedule steers; the staff are asked.
        StripeUnavailableError: the outcome is unknown; asking again is safe.
    """
    try:
        _update(context, _END, reader_id, subscription_id, _with_the_period)
    except StripeRefusedError as error:
        raise NotEndedError("Stripe does not let us end it; the staff are asked to") from error


def keep(context: Context, *, reader_id: UUID, subscription_id: UUID) -> None:
    """Take back an end that has not come yet.

    Raises:
        RefusedError: it is not this reader's, or it is over.
        TooManyAttemptsError: it was ended and kept too often today.
        StripeUnavailableError: the outcome is unknown; asking again is safe.
    """
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        rate_limits.hit(session, _CHANGES_OF_MIND, str(reader_id), now=now)
    _update(context, _KEEP, reader_id, subscription_id, _no_end)


def _with_the_period(_gateway: Gateway, _stripe_id: str) -> dict[str, Any]:
    return {"cancel_at_period_end": True}


def _no_end(gateway: Gateway, stripe_id: str) -> dict[str, Any]:
    """Return what takes an end back: Stripe writes one in two ways, and takes only one at once.

    Source: https://docs.stripe.com/billing/subscriptions/billing-mode/compare
    """
    theirs = read_billing.subscription(gateway, stripe_id)
    dated = theirs is not None and theirs.ends_on is not None and not theirs.ends_with_period
    return {"cancel_at": ""} if dated else {"cancel_at_period_end": False}


def _update(
    context: Context,
    kind: str,
    reader_id: UUID,
    subscription_id: UUID,
    asks: Callable[[Gateway, str], dict[str, Any]],
) -> None:
    now = context.clock.now()
    with context.db.reading() as session:
        stripe_id = _of_reader(session, reader_id, subscription_id)
    params = asks(context.gateway, stripe_id)
    with context.db.unit_of_work() as session:
        _of_reader(session, reader_id, subscription_id)  # still
        commands.supersede(session, subject=stripe_id)  # the last word counts
        command = commands.decide(session, kind, subject=stripe_id, params=params, now=now)
        audit.record(session, actor=f"reader:{reader_id}", action=kind, subject=stripe_id, now=now)
        session.flush()
        command_id = command.id
    _ask(context, command_id, stripe_id)


def _of_reader(session: Session, reader_id: UUID, subscription_id: UUID) -> str:
    """Return Stripe's id of a subscription that runs and is this reader's."""
    ours = session.get(Subscription, subscription_id)
    if ours is None or ours.reader_id != reader_id:
        raise RefusedError("this subscription is not yours; sign in with the right address")
    if ours.status.ended:
        raise RefusedError("this subscription is already over")
    return ours.stripe_subscription_id


def finish_change(context: Context, command: Command) -> None:
    """Learn what became of a change nobody waits for any more.

    Raises:
        StripeRefusedError, StripeUnavailableError, BusyError: as Stripe answers.
    """
    _ask(context, command.id, command.subject)


def _ask(context: Context, command_id: UUID, stripe_id: str) -> None:
    gateway = context.gateway
    way = commands.Way(
        call=lambda frozen, options: gateway.ask(
            lambda: gateway.client.v1.subscriptions.update(
                stripe_id, cast("Any", frozen), cast("Any", options)
            )
        ),
        look=lambda command: _as_asked(gateway, command),
        lasting=True,  # who asked to end it a day ago must not be charged again
    )
    commands.ask(context.db, command_id, way, clock=context.clock)
    look_again(context, stripe_id)


def _as_asked(gateway: Gateway, command: Command) -> StripeSubscription | None:
    """Return the subscription if it already is as a command would have it."""
    theirs = read_billing.subscription(gateway, command.subject)
    if theirs is None or (theirs.status.ended and command.kind == _KEEP):
        raise StripeRefusedError(f"{command.subject} is already over")
    if command.kind == _KEEP:
        return theirs if theirs.ends_on is None else None
    in_time = theirs.ends_on is not None and theirs.ends_on <= theirs.period_ends
    return theirs if theirs.status.ended or in_time else None
