"""Commands of which nobody knows how they went: each is asked again, or looked for, to its end."""

from typing import Final

import structlog

from billing import checkout, payments, subscriptions
from billing.context import Context
from billing.errors import PASSING, BillingError
from billing.models import Command
from billing.stripe_gateway import commands

_MOST: Final = 50

_log = structlog.get_logger(__name__)


def finish_commands(context: Context) -> int:
    """Learn the outcome of every command whose asker is gone. Repeats safely.

    Returns:
        How many are known now; the others are looked at again, ever less often.
    """
    with context.db.reading() as session:
        waiting = commands.due(session, now=context.clock.now(), most=_MOST)
    return sum(_finished(context, command) for command in waiting)


def _finished(context: Context, command: Command) -> bool:
    try:
        _finish(context, command)
    except PASSING:
        return False
    except BillingError as over:  # Stripe said no, or it never happened: that is an outcome too
        _log.warning("command over", command=str(command.id), kind=command.kind, reason=str(over))
    return True


def _finish(context: Context, command: Command) -> None:
    match command.kind.partition(".")[0]:
        case "checkout":
            checkout.finish_opening(context, command)
        case "subscription":
            subscriptions.finish_change(context, command)
        case "method":
            subscriptions.finish_choice(context, command)
        case "refund":
            payments.finish_refund(context, command)
            checkout.look_at_payment(context, command.subject)
        case _:
            commands.give_up(context.db, command.id)
