"""What we ask Stripe to do: written down before it is asked, so that one intention is one act.

The row holds the parameters, the API version and the idempotency key as they were decided. A call
whose answer is lost leaves it `unknown`; asking again with the same key cannot act twice.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from billing.clock import Clock
from billing.db import Database
from billing.errors import StripeRefusedError, StripeUnavailableError
from billing.models import Command, CommandState
from billing.stripe_gateway.client import API_VERSION
from billing.stripe_gateway.values import id_of

Answer = TypeVar("Answer")


def decide(
    session: Session, kind: str, *, subject: str, params: dict[str, Any], now: datetime
) -> Command:
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
    )
    session.add(command)
    return command


def ask(
    db: Database,
    command_id: UUID,
    call: Callable[[dict[str, Any], dict[str, str]], Answer],
    *,
    clock: Clock,
) -> Answer:
    """Ask what a committed command says, and write down how it went.

    Args:
        db: where the command is.
        command_id: the command.
        call: takes the frozen parameters and the request options, and calls the SDK.
        clock: for when it was done.

    Raises:
        StripeRefusedError: Stripe said no; the command is over.
        StripeUnavailableError: the outcome is unknown; ask again with the same command.
    """
    with db.unit_of_work() as session:
        command = session.get_one(Command, command_id)
        command.attempts += 1
        params = command.params
        options = {
            "idempotency_key": command.idempotency_key,
            "stripe_version": command.api_version,
        }
    try:
        answer = call(params, options)
    except (StripeRefusedError, StripeUnavailableError) as error:
        refused = isinstance(error, StripeRefusedError)
        with db.unit_of_work() as session:
            command = session.get_one(Command, command_id)
            command.state = CommandState.REFUSED if refused else CommandState.UNKNOWN
            command.last_error = str(error)
        raise
    with db.unit_of_work() as session:
        command = session.get_one(Command, command_id)
        command.state = CommandState.DONE
        command.stripe_object_id = id_of(answer)
        command.last_error = ""
        command.done_at = clock.now()
    return answer
