"""Commands of which nobody knows how they went: each is asked again, or looked for, to its end."""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
import structlog

from billing import checkout, payments, subscriptions, tasks
from billing.clock import accounting_day, in_words
from billing.context import Context
from billing.errors import PASSING, BillingError, KeyRefusedError
from billing.models import Command, Task
from billing.stripe_gateway import commands
from billing.words import counted

_MOST: Final = 50
_PROMISED: Final = ("refund.", "subscription.", "method.")
_TOO_LONG: Final = timedelta(hours=6)
_WAIT: Final = "commands-wait"
_LOOKED_BACK: Final = timedelta(days=60)

_log = structlog.get_logger(__name__)


def finish_commands(context: Context) -> int:
    """Learn the outcome of every command whose asker is gone. Repeats safely.

    Returns:
        How many are known now; the others are looked at again, ever less often.
    """
    with context.db.reading() as session:
        waiting = commands.due(session, now=context.clock.now(), most=_MOST)
    finished = sum(_finished(context, command) for command in waiting)
    _tell_of_what_came_to_nothing(context)
    _tell_of_what_waits(context)
    return finished


def _finished(context: Context, command: Command) -> bool:
    try:
        _finish(context, command)
    except KeyRefusedError as error:
        _ask_to_let_us(context, command, error)
        return False
    except PASSING:
        return False
    except BillingError as over:  # Stripe said no, or it never happened: that is an outcome too
        _log.warning("command over", command=str(command.id), kind=command.kind, reason=str(over))
    return True


def _tell_of_what_came_to_nothing(context: Context) -> None:
    """Tell the staff what was promised to somebody who is gone, and will not happen.

    A payment page that never opened is missed by nobody: whoever wanted it began another.
    """
    now = context.clock.now()
    with context.db.reading() as session:
        over = commands.came_to_nothing(session, since=now - _LOOKED_BACK)
        promised = [each for each in over if each.kind.startswith(_PROMISED)]
        subjects = {f"{each.subject}:{each.id}": each for each in promised}
        told = set(session.scalars(sa.select(Task.subject).where(Task.subject.in_(subjects))))
    for subject in sorted(subjects.keys() - told):
        command = subjects[subject]
        kind, _, what = command.kind.partition(".")
        with context.db.unit_of_work() as session:
            tasks.raise_task(
                session,
                f"{kind}-not-done",
                subject=subject,
                detail=f"What was asked of Stripe on {in_words(accounting_day(command.created_at))}"
                f" for {command.subject} ({what}) was not done, and is not tried again:"
                f" {command.last_error}. {_to_do(command)}",
                now=now,
            )


def _to_do(command: Command) -> str:
    if command.kind == commands.END:
        return (
            "The reader was told that a person ends it as of that day, and that what is taken since"
            " goes back. End it at Stripe's dashboard; where a schedule steers it, release that"
            " first."
        )
    return "See in Stripe how it stands; if it is still wanted, ask for it again."


def _tell_of_what_waits(context: Context) -> None:
    """Ask the staff about what was decided and waits for ever; stop asking once nothing does."""
    now = context.clock.now()
    with context.db.reading() as session:
        waiting = commands.old(session, before=now - _TOO_LONG)
        asked = tasks.is_open(session, _WAIT, subject="commands")
    if not waiting and not asked:
        return
    with context.db.unit_of_work() as session:
        if not waiting:
            tasks.settle_tasks(session, _WAIT, subject="commands", now=now)
            return
        first = waiting[0]
        tasks.raise_again(
            session,
            _WAIT,
            subject="commands",
            detail=f"{counted(len(waiting), 'thing')} we asked of Stripe more than"
            f" {_TOO_LONG // timedelta(hours=1)} hours ago may or may not have happened, first"
            f" {first.kind} for {first.subject}: {first.last_error or 'never tried'}."
            " `billing doctor` says what is wrong; what is still wanted is then done by itself.",
            now=now,
        )


def _ask_to_let_us(context: Context, command: Command, error: KeyRefusedError) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        tasks.raise_again(
            session,
            "key-refused",
            subject=command.kind,
            detail=f"{command.kind} for {command.subject} waits, because Stripe does not let our"
            f" key do it ({error}). Give the key that right in Stripe's dashboard, under API keys."
            " What waits is then done by itself.",
            now=now,
        )


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
