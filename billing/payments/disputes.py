"""Disputes: a payer's bank takes money back, or asks about it first.

What a dispute does follows from the object as it stands, never from what an event is called; so a
dispute whose beginning we missed ends where one we followed does. The books follow the money alone:
an inquiry moves none, and what was won back is booked as it comes.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.clock import accounting_day
from billing.context import Context
from billing.models import Dispute, DisputeStatus, Payment
from billing.payments.movements import record_movement
from billing.queue import Fence, look
from billing.stripe_gateway import read_money
from billing.stripe_gateway.types import StripeDispute
from billing.tasks import raise_again, raise_task, settle_tasks

# What staff can answer while it stands so, and what becomes of the money if nobody does.
# A Direct Debit indemnity claim is none of these: it is lost as it comes, and cannot be contested.
# Source: https://docs.stripe.com/disputes/how-disputes-work and
# https://docs.stripe.com/payments/bacs-debit#disputed-payments
_ANSWERED: Final[Mapping[DisputeStatus, tuple[str, str]]] = {
    DisputeStatus.WARNING_NEEDS_RESPONSE: (
        "dispute-inquiry",
        "asks about {money} and no money has moved yet. Answer, or refund the payment,",
    ),
    DisputeStatus.NEEDS_RESPONSE: (
        "dispute",
        "has taken back {money}. Send evidence, or accept the loss,",
    ),
    DisputeStatus.APPEAL_NEEDS_RESPONSE: (
        "dispute-appeal",
        "has appealed for {money}. Answer, or accept the loss,",
    ),
}
_QUESTIONS: Final = tuple(kind for kind, _ in _ANSWERED.values())


def look_at_dispute(
    context: Context,
    dispute_id: str,
    *,
    meet: Callable[[Context, str], None],
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Read a dispute at Stripe, book what it moved, and ask staff while it can be answered.

    Args:
        context: the process's context.
        dispute_id: Stripe's id.
        meet: looks at a payment; called for one we have not met, since a loss belongs to its fund.
        also: written in the same commit as the effects.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def read() -> StripeDispute | None:
        theirs = read_money.dispute(context.gateway, dispute_id)
        if theirs is not None:
            with context.db.reading() as session:
                met = _payment(session, theirs) is not None
            if not met:
                meet(context, theirs.payment_intent_id)
        return theirs

    def apply_it(session: Session, theirs: StripeDispute | None, fence: Fence) -> None:
        fence.check(session)
        if theirs is not None:
            apply(session, theirs, now=context.clock.now())
        also(session)

    look(context.db, dispute_id, read=read, apply=apply_it, clock=context.clock)


def apply(session: Session, theirs: StripeDispute, *, now: datetime) -> Dispute:
    """Write what Stripe says of one dispute, read under a fence. Repeats safely."""
    payment = _payment(session, theirs)
    ours = _ours_or_new(session, theirs)
    ours.payment_id = payment.id if payment else None
    lost_anew = theirs.status is DisputeStatus.LOST and ours.status is not DisputeStatus.LOST
    if theirs.status is not DisputeStatus.UNKNOWN:
        ours.status = theirs.status
    ours.amount, ours.currency = theirs.amount, theirs.currency
    ours.reason = theirs.reason[:100]
    ours.due_by = theirs.due_by if ours.status in _ANSWERED else None
    session.flush()
    for movement in theirs.movements:
        record_movement(session, movement, payment=payment, now=now)
    _ask_or_settle(session, ours, now, lost_anew=lost_anew)
    if theirs.status is DisputeStatus.UNKNOWN:
        detail = (
            f"{theirs.id} has a status we do not know, {theirs.word!r}: it stands with us as"
            f" {ours.status.value} until somebody has looked at Stripe's dashboard."
        )
        raise_task(session, "unknown-dispute-status", subject=theirs.id, detail=detail, now=now)
    else:
        settle_tasks(session, "unknown-dispute-status", subject=theirs.id, now=now)
    return ours


def _payment(session: Session, theirs: StripeDispute) -> Payment | None:
    return session.scalar(
        sa.select(Payment).where(Payment.stripe_payment_intent_id == theirs.payment_intent_id)
    )


def _ours_or_new(session: Session, theirs: StripeDispute) -> Dispute:
    ours = session.scalar(sa.select(Dispute).where(Dispute.stripe_dispute_id == theirs.id))
    if ours is None:
        ours = Dispute(
            stripe_dispute_id=theirs.id,
            stripe_charge_id=theirs.charge_id,
            status=theirs.status,
            created_at=theirs.created,
        )
        session.add(ours)
    return ours


def _ask_or_settle(session: Session, ours: Dispute, now: datetime, *, lost_anew: bool) -> None:
    """Have one question open while the dispute can be answered, and none when it no longer can."""
    kind, words = _ANSWERED.get(ours.status, ("", ""))
    over = ours.due_by is not None and ours.due_by <= now
    if kind and not over:
        detail = _written(words, ours)
        raise_task(session, kind, subject=ours.stripe_dispute_id, detail=detail, now=now)
    closed = [each for each in _QUESTIONS if over or each != kind]
    settle_tasks(session, *closed, subject=ours.stripe_dispute_id, now=now)
    if ours.status is DisputeStatus.LOST:
        detail = (
            f"{ours.money} was taken back by the payer's bank for good ({ours.stripe_dispute_id},"
            f" {_reason(ours)}). It is booked as a loss on the day it went. If it paid for a"
            " subscription, decide whether that ends."
        )
        ask = raise_again if lost_anew else raise_task  # an appeal may have been lost as well
        ask(session, "dispute-lost", subject=ours.stripe_dispute_id, detail=detail, now=now)
    else:
        settle_tasks(session, "dispute-lost", subject=ours.stripe_dispute_id, now=now)


def _written(what: str, ours: Dispute) -> str:
    by = f" by {accounting_day(ours.due_by):%-d %B %Y}" if ours.due_by else ""
    asked = what.format(money=ours.money)
    return (
        f"The payer's bank {asked} at Stripe's dashboard{by} ({ours.stripe_dispute_id},"
        f" {_reason(ours)})."
    )


def _reason(ours: Dispute) -> str:
    return ours.reason.replace("_", " ") or "no reason given"
