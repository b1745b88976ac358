"""What we ask Stripe to do: written down before it is asked, so that one intention is one act.

The row holds the parameters, the API version and the idempotency key as they were decided, so that
a new release of ours cannot ask otherwise. A call whose answer is lost leaves it `unknown`. While
Stripe remembers the key, asking again cannot act twice; after that, and where Stripe keeps
answering one key with one failure, we look at Stripe first, and only then decide.

Source: https://docs.stripe.com/api/idempotent_requests
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.clock import Clock
from billing.db import Database, changed_one
from billing.errors import BusyError, StripeRefusedError, StripeUnavailableError
from billing.models import Command, CommandState
from billing.stripe_gateway.client import API_VERSION
from billing.stripe_gateway.values import id_of

Answer = TypeVar("Answer")
Frozen = dict[str, Any]

END: Final = "subscription.cancel_at_period_end"
_REMEMBERED: Final = timedelta(hours=23)  # Stripe forgets a key after 24
_FIRST_WAIT: Final = timedelta(minutes=2)
_LONGEST_WAIT: Final = timedelta(hours=1)
OPEN: Final = (CommandState.READY, CommandState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Way(Generic[Answer]):
    """How one kind of thing is asked for.

    Attributes:
        call: takes the frozen parameters and the request options, and calls the SDK.
        look: reads Stripe, and returns what was made of the command; None where it never happened.
        lasting: whether it is still wanted when a day has gone by. A payment page is not; the end
            of a subscription is.
    """

    call: Callable[[Frozen, dict[str, str]], Answer]
    look: Callable[[Command], Answer | None]
    lasting: bool


def decide(session: Session, kind: str, *, subject: str, params: Frozen, now: datetime) -> Command:
    """Write down what is to be asked; commit before asking."""
    command_id = uuid4()
    command = Command(
        id=command_id,
        kind=kind,
        subject=subject,
        params=params,
        api_version=API_VERSION,
        idempotency_key=f"command-{command_id}",
        created_at=now,
        next_try_at=now + _FIRST_WAIT,
    )
    session.add(command)
    return command


def supersede(session: Session, *, subject: str) -> None:
    """Give up what is still open about the same thing: what is decided next is the last word."""
    still_open = sa.update(Command).where(Command.subject == subject, Command.state.in_(OPEN))
    session.execute(
        still_open.values(state=CommandState.ABANDONED, last_error="").execution_options(
            synchronize_session=False
        )
    )


def give_up(db: Database, command_id: UUID) -> None:
    """Give up a command that left nothing behind worth looking for."""
    with db.unit_of_work() as session:
        session.get_one(Command, command_id).state = CommandState.ABANDONED


def came_to_nothing(session: Session, *, since: datetime) -> list[Command]:
    """Return what was asked again when nobody waited any more, and was refused or never happened.

    An end that was refused is among it at once: its reader is told that a person will see to it.
    Not what was given up for a later word about the same thing.
    """
    never = sa.and_(Command.state == CommandState.ABANDONED, Command.last_error != "")
    found = sa.select(Command).where(
        sa.or_(Command.state == CommandState.REFUSED, never),
        sa.or_(Command.attempts > 1, Command.kind == END),
        Command.created_at >= since,
    )
    return list(session.scalars(found.order_by(Command.created_at)))


def old(session: Session, *, before: datetime) -> list[Command]:
    """Return what was decided before then, and of which nobody knows yet how it went."""
    found = sa.select(Command).where(Command.state.in_(OPEN), Command.created_at < before)
    return list(session.scalars(found.order_by(Command.created_at)))


def due(session: Session, *, now: datetime, most: int) -> list[Command]:
    """Return commands of which nobody knows how they went, and nobody is waiting any more."""
    # The release before, at work beside this one in an upgrade, writes no next time.
    next_try = sa.func.coalesce(Command.next_try_at, Command.created_at)
    waiting = sa.select(Command).where(Command.state.in_(OPEN), next_try <= now)
    return list(session.scalars(waiting.order_by(next_try).limit(most)))


def ask(
    db: Database,
    command_id: UUID,
    way: Way[Answer],
    *,
    clock: Clock,
    also: Callable[[Session, Answer], None] = lambda _session, _answer: None,
) -> Answer:
    """Ask what a committed command says, and write down how it went. Repeats safely.

    Args:
        db: where the command is.
        command_id: the command.
        way: how its kind is asked for.
        clock: for when it was done, and for how long Stripe remembers.
        also: what is written of the answer, in the commit that says the command is done.

    Raises:
        StripeRefusedError: Stripe said no, or it never happened and is not wanted any more; the
            command is over.
        StripeUnavailableError: the outcome is unknown; it is looked at again.
        BusyError: somebody else is asking the same at this moment.
    """
    command = _take(db, command_id, now=clock.now())
    try:
        if _forgotten(command, now=clock.now()):
            answer = _look_first(db, command, way)
        else:
            answer = _call(db, command, way)
    except StripeRefusedError as error:
        given_up = isinstance(error, _NeverHappenedError)
        state = CommandState.ABANDONED if given_up else CommandState.REFUSED
        _write(db, command_id, error, state)
        raise
    except StripeUnavailableError as error:
        _write(db, command_id, error, CommandState.UNKNOWN)
        raise
    with db.unit_of_work() as session:
        done = session.get_one(Command, command_id)
        done.state, done.last_error = CommandState.DONE, ""
        done.stripe_object_id, done.done_at = id_of(answer), clock.now()
        also(session, answer)
    return answer


class _NeverHappenedError(StripeRefusedError):
    """It was not carried out, and nobody waits for it any more."""


def _take(db: Database, command_id: UUID, *, now: datetime) -> Command:
    with db.unit_of_work() as session:
        command = session.get_one(Command, command_id)
        if command.state is CommandState.ABANDONED:
            raise StripeRefusedError("this was given up: it never happened at Stripe")
        gone = command.next_try_at is not None and command.next_try_at <= now
        command.attempts = max(command.attempts, gone) + 1  # who decided it died before a try
        wait = min(_FIRST_WAIT * 2 ** min(command.attempts, 10), _LONGEST_WAIT)
        command.next_try_at = now + wait
        return command


def _forgotten(command: Command, *, now: datetime) -> bool:
    """Whether Stripe may no longer know the key: then asking again could act again.

    A second key is as good as forgotten: how old it is, nobody has written down.
    """
    second = command.idempotency_key != _key(command.id)
    return second or now - command.created_at >= _REMEMBERED


def _call(db: Database, command: Command, way: Way[Answer]) -> Answer:
    try:
        return way.call(command.params, _options(command))
    except StripeUnavailableError as error:
        if not error.kept:
            raise
        # The first try has failed for good, and this key will say so for a day.
        return _look_first(db, command, way, lasting=True)


def _look_first(
    db: Database, command: Command, way: Way[Answer], *, lasting: bool = False
) -> Answer:
    """Take what has happened; if nothing has, ask under a new key, where it is still wanted."""
    found = way.look(command)
    if found is not None:
        return found
    done = command.state is CommandState.DONE  # and its answer was lost on the way into our rows
    if done or not (way.lasting or lasting):
        raise _NeverHappenedError("it never happened, and nobody waits for it any more")
    old, new = command.idempotency_key, f"{_key(command.id)}-{command.attempts}"
    with db.unit_of_work() as session:
        mine = sa.update(Command).where(Command.id == command.id, Command.idempotency_key == old)
        if not changed_one(session, mine.values(idempotency_key=new)):
            raise BusyError("somebody else is asking the same at this moment")
    command.idempotency_key = new
    return way.call(command.params, _options(command))


def _options(command: Command) -> dict[str, str]:
    return {
        "idempotency_key": command.idempotency_key,
        "stripe_version": command.api_version,
    }


def _key(command_id: UUID) -> str:
    return f"command-{command_id}"


def _write(db: Database, command_id: UUID, error: Exception, state: CommandState) -> None:
    """Write down a failure, unless something better was decided or learnt while we waited for it.

    A command given up meanwhile would otherwise be taken up again, after the reader's last word.
    """
    known = {CommandState.ABANDONED}
    known |= {CommandState.DONE} if state is CommandState.UNKNOWN else set()
    mine = sa.update(Command).where(Command.id == command_id, Command.state.not_in(known))
    with db.unit_of_work() as session:
        changed_one(session, mine.values(state=state, last_error=str(error)))
