"""Give money back: decided once, asked of Stripe once, and booked when Stripe says it moved.

What it does to the books, to access and to the reader's mail follows from looking at the payment
again, as it would had the refund been made at Stripe.
"""

from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import audit
from billing.context import Context
from billing.db import take_turns
from billing.errors import AmountError, BusyError, RefusedError
from billing.models import Command, Payment, PaymentStatus
from billing.money import Money
from billing.stripe_gateway import commands, made
from billing.stripe_gateway.client import APP

_KIND: Final = "refund.create"


def refund(
    context: Context, payment_intent_id: str, *, amount: Money | None, actor: str, reason: str
) -> Money:
    """Give back a payment, or a part of it; then have the payment looked at again.

    Args:
        context: the process's context.
        payment_intent_id: Stripe's id of the payment.
        amount: how much; None for all that is left.
        actor: who decided it, such as `staff:` and an id.
        reason: why, in words, for the audit trail and for whoever looks at Stripe.

    Returns:
        How much is given back.

    Raises:
        RefusedError, AmountError: there is no such payment, or not as much left of it.
        BusyError: an earlier refund of it is not certain yet.
        StripeRefusedError: Stripe said no.
        StripeUnavailableError: the outcome is unknown; it is looked at again, and never done twice.
    """
    with context.db.unit_of_work() as session:
        now = context.clock.now()
        command = _decide(session, payment_intent_id, amount, actor=actor, reason=reason, now=now)
    finish_refund(context, command)
    return Money(int(command.params["amount"]), _currency(context, payment_intent_id))


def finish_refund(context: Context, command: Command) -> None:
    """Ask for a refund that was decided, or learn what became of it.

    Raises:
        StripeRefusedError, StripeUnavailableError, BusyError: as `refund`.
    """
    gateway = context.gateway
    way = commands.Way(
        call=lambda frozen, options: gateway.ask(
            lambda: gateway.client.v1.refunds.create(cast("Any", frozen), cast("Any", options))
        ),
        look=lambda asked: made.refund(gateway, asked),
        lasting=False,  # money nobody expects any more is not sent unasked
    )
    commands.ask(context.db, command.id, way, clock=context.clock)


def _decide(
    session: Session,
    payment_intent_id: str,
    amount: Money | None,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> Command:
    take_turns(session, f"refund {payment_intent_id}")
    payment = session.scalar(
        sa.select(Payment).where(Payment.stripe_payment_intent_id == payment_intent_id)
    )
    if payment is None or payment.status is not PaymentStatus.SUCCEEDED:
        raise RefusedError(f"{payment_intent_id} is no payment that arrived; look it up again")
    if _uncertain(session, payment_intent_id):
        raise BusyError("an earlier refund of this payment is not certain yet; try again soon")
    left = Money(payment.amount - payment.refunded_amount, payment.currency)
    wanted = left if amount is None else amount
    if wanted.currency != left.currency or not 0 < wanted.amount <= left.amount:
        raise AmountError(f"{left} is left of this payment; choose an amount up to that")
    command = commands.decide(session, _KIND, subject=payment_intent_id, params={}, now=now)
    command.params = {
        "payment_intent": payment_intent_id,
        "amount": wanted.amount,
        "metadata": {"app": APP, "command": str(command.id)},
    }
    audit.record(
        session,
        actor=actor,
        action="refunded",
        subject=payment_intent_id,
        now=now,
        amount=wanted.amount,
        reason=reason,
    )
    session.flush()
    return command


def _uncertain(session: Session, payment_intent_id: str) -> UUID | None:
    return session.scalar(
        sa.select(Command.id).where(
            Command.kind == _KIND,
            Command.subject == payment_intent_id,
            Command.state.in_(commands.OPEN),
        )
    )


def _currency(context: Context, payment_intent_id: str) -> str:
    with context.db.reading() as session:
        currency = sa.select(Payment.currency).where(
            Payment.stripe_payment_intent_id == payment_intent_id
        )
        return session.scalars(currency).one()
