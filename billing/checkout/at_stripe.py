"""A checkout's session at Stripe: open it, or give it up."""

import contextlib
from datetime import datetime
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.checkout.settle import settle
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.errors import StripeRefusedError
from billing.models import Checkout, CheckoutKind, CheckoutStatus, Command
from billing.payments import look_at_customer
from billing.stripe_gateway import commands, made
from billing.stripe_gateway.client import APP

_OPEN: Final = "checkout.open"


def marks(checkout: Checkout, **more: str) -> dict[str, str]:
    """Return the metadata that make an object at Stripe ours; never anything about a person."""
    return {"app": APP, "checkout": str(checkout.id), **more}


def addresses(context: Context, checkout: Checkout) -> dict[str, str]:
    """Return where Stripe sends the reader back to, and our own reference."""
    here = f"{context.settings.public_url}/checkout/{checkout.id}"
    token = return_token(context.settings, checkout.id)
    return {
        "success_url": f"{here}/return?token={token}",
        "cancel_url": f"{here}/cancelled",
        "client_reference_id": str(checkout.id),
        "locale": "en-GB",
    }


def decide_open(
    session: Session, checkout: Checkout, params: dict[str, Any], *, now: datetime
) -> UUID:
    """Write down that a session is to be opened, with the checkout it is for."""
    command = commands.decide(session, _OPEN, subject=str(checkout.id), params=params, now=now)
    session.flush()
    return command.id


def open_session(context: Context, checkout_id: UUID, command_id: UUID) -> str:
    """Open the session a committed command describes, and return the address of its page.

    Raises:
        StripeUnavailableError: the outcome is unknown; asking again opens no second session.
        StripeRefusedError: Stripe said no; the checkout has failed.
    """
    try:
        way = _opening(context)
        note = partial(_note, checkout_id)
        theirs = commands.ask(context.db, command_id, way, clock=context.clock, also=note)
    except StripeRefusedError as refused:
        if refused.missing == "customer":
            return open_session(context, checkout_id, _as_new_customer(context, command_id))
        with context.db.unit_of_work() as session:
            session.get_one(Checkout, checkout_id).status = CheckoutStatus.FAILED
        raise
    return str(theirs.url or "")


def _note(checkout_id: UUID, session: Session, theirs: Any) -> None:
    """Write down which session a checkout has, with the command's end: no crash may part them."""
    checkout = session.get_one(Checkout, checkout_id)
    checkout.stripe_session_id, checkout.stripe_url = theirs.id, theirs.url or ""


def finish_opening(context: Context, command: Command) -> None:
    """Learn what became of an opening nobody waits for any more.

    Raises:
        StripeUnavailableError, StripeRefusedError, BusyError: as `open_session`.
    """
    open_session(context, UUID(command.subject), command.id)


def _opening(context: Context) -> commands.Way[Any]:
    gateway = context.gateway
    return commands.Way(
        call=lambda params, options: gateway.ask(
            lambda: gateway.client.v1.checkout.sessions.create(
                cast("Any", params), cast("Any", options)
            )
        ),
        look=lambda command: made.session(gateway, command),
        lasting=False,  # the page would have run out by then
    )


def _as_new_customer(context: Context, command_id: UUID) -> UUID:
    """Decide to ask again without the customer: somebody has deleted that one at Stripe."""
    with context.db.reading() as session:
        deleted = session.get_one(Command, command_id).params["customer"]
    look_at_customer(context, deleted)
    with context.db.unit_of_work() as session:
        refused = session.get_one(Command, command_id)
        params = {name: value for name, value in refused.params.items() if name != "customer"}
        checkout = session.get_one(Checkout, UUID(refused.subject))
        return decide_open(session, checkout, params, now=context.clock.now())


def give_up_open(context: Context, reader_id: UUID, plan: str) -> None:
    """Expire the checkout a reader has open for a plan, so that only one can ever be paid.

    One that turns out to be paid already is settled instead.

    Raises:
        StripeUnavailableError: it may still be open; nothing new may be started.
    """
    with context.db.reading() as session:
        checkout = session.scalar(
            sa.select(Checkout).where(
                Checkout.reader_id == reader_id,
                Checkout.plan == plan,
                Checkout.kind == CheckoutKind.SUBSCRIPTION,
                Checkout.status == CheckoutStatus.OPEN,
            )
        )
    if checkout is None:
        return
    try:
        stripe_session_id = checkout.stripe_session_id or _finish_opening(context, checkout)
    except StripeRefusedError:
        return  # it was never opened, and now never will be
    gateway = context.gateway
    # Refused where it was paid or ran out meanwhile; settling tells which.
    with contextlib.suppress(StripeRefusedError):
        gateway.ask(lambda: gateway.client.v1.checkout.sessions.expire(stripe_session_id))
    settle(context, stripe_session_id)


def _finish_opening(context: Context, checkout: Checkout) -> str:
    """Ask again for a session whose opening was never answered; the same key, the same session."""
    with context.db.reading() as session:
        command_id = session.scalars(
            sa.select(Command.id)
            .where(Command.kind == _OPEN, Command.subject == str(checkout.id))
            .order_by(Command.created_at.desc())
            .limit(1)
        ).one()
    open_session(context, checkout.id, command_id)
    with context.db.reading() as session:
        return session.get_one(Checkout, checkout.id).stripe_session_id or ""
