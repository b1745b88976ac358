"""Payouts: what left Stripe for the bank, and whether its movements come to the same penny.

A payout on Stripe's own schedule is listed by Stripe movement by movement; one made by hand is not,
and nobody but a person can say what is in it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.context import Context
from billing.models import BalanceTransaction, Payment, Payout, PayoutStatus
from billing.money import Money
from billing.payments.movements import record_movement
from billing.queue import Fence, look
from billing.stripe_gateway import read_money
from billing.stripe_gateway.types import StripeBalanceTransaction, StripePayout
from billing.tasks import raise_task, settle_tasks
from billing.words import counted

_AT_A_TIME = 500  # ids in one statement


def look_at_payout(
    context: Context,
    payout_id: str,
    *,
    meet: Callable[[Context, str], None],
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Read a payout at Stripe, and tie it to its movements once Stripe can list them.

    Args:
        context: the process's context.
        payout_id: Stripe's id.
        meet: looks at a payment; called for each whose movement is not in the books yet.
        also: written in the same commit as the effects.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.

    Source: https://docs.stripe.com/payouts/reconciliation
    """

    def read() -> StripePayout | None:
        theirs = read_money.payout(context.gateway, payout_id)
        if theirs is not None:
            for payment_id in _not_met(context, theirs.contents or ()):
                meet(context, payment_id)
        return theirs

    def apply_it(session: Session, theirs: StripePayout | None, fence: Fence) -> None:
        fence.check(session)
        if theirs is not None:
            apply(session, theirs, now=context.clock.now())
        also(session)

    look(context.db, payout_id, read=read, apply=apply_it, clock=context.clock)


def apply(session: Session, theirs: StripePayout, *, now: datetime) -> Payout:
    """Write what Stripe says of one payout, read under a fence. Repeats safely."""
    ours = _ours_or_new(session, theirs)
    if theirs.status is not PayoutStatus.UNKNOWN:
        ours.status = theirs.status
        settle_tasks(session, "unknown-payout-status", subject=theirs.id, now=now)
    else:
        detail = f"{theirs.id} has a status we do not know, {theirs.word!r}: look at the dashboard."
        raise_task(session, "unknown-payout-status", subject=theirs.id, detail=detail, now=now)
    ours.amount, ours.currency = theirs.amount, theirs.currency
    ours.automatic, ours.arrives_on = theirs.automatic, theirs.arrives_on
    ours.failure = theirs.failure[:300]
    session.flush()
    for movement in theirs.movements:
        record_movement(session, movement, now=now)
    if theirs.contents is not None:
        _tie(session, ours, theirs, theirs.contents, now)
    if ours.status is PayoutStatus.FAILED:
        _ask_about_failure(session, ours, now)
    return ours


def _ours_or_new(session: Session, theirs: StripePayout) -> Payout:
    ours = session.scalar(sa.select(Payout).where(Payout.stripe_payout_id == theirs.id))
    if ours is None:
        ours = Payout(
            stripe_payout_id=theirs.id,
            status=theirs.status,
            amount=theirs.amount,
            currency=theirs.currency,
            automatic=theirs.automatic,
            arrives_on=theirs.arrives_on,
            created_at=theirs.created,
        )
        session.add(ours)
    return ours


def _tie(
    session: Session,
    ours: Payout,
    theirs: StripePayout,
    contents: tuple[StripeBalanceTransaction, ...],
    now: datetime,
) -> None:
    """Add up what a payout is made of, and mark every movement as gone out with it."""
    missing = set(_missing(session, contents))
    for movement in contents:
        if movement.id in missing:
            payment = session.scalar(
                sa.select(Payment).where(
                    Payment.stripe_payment_intent_id == movement.payment_intent_id
                )
            )
            record_movement(session, movement, payment=payment, now=now)
    ids = [movement.id for movement in (*theirs.movements[:1], *contents)]
    for some in _portions(ids):
        untied = sa.select(BalanceTransaction).where(
            BalanceTransaction.stripe_balance_transaction_id.in_(some),
            BalanceTransaction.payout_id != theirs.id,
        )
        for movement_of_ours in session.scalars(untied):  # row by row: a rehearsal must see it
            movement_of_ours.payout_id = theirs.id
    ours.residual = theirs.amount - sum(movement.net for movement in contents)
    ours.tied_at = ours.tied_at or now
    if ours.residual == 0:
        settle_tasks(session, "payout-residual", subject=theirs.id, now=now)
        return
    sums_to = Money(theirs.amount - ours.residual, theirs.currency)
    detail = (
        f"The payout {theirs.id} of {ours.money} does not tie:"
        f" {counted(len(contents), 'movement')} in all make {sums_to}, and"
        f" {Money(ours.residual, ours.currency)} is explained by none of them."
        " Ask Stripe what it is before the bank line is booked."
    )
    raise_task(session, "payout-residual", subject=theirs.id, detail=detail, now=now)


def _ask_about_failure(session: Session, ours: Payout, now: datetime) -> None:
    detail = (
        f"The payout {ours.stripe_payout_id} of {ours.money} failed"
        f" ({ours.failure or 'no reason given'}): the money is back in Stripe's balance. Check the"
        " bank details at Stripe's dashboard; Stripe stops paying out until they are right."
    )
    raise_task(session, "payout-failed", subject=ours.stripe_payout_id, detail=detail, now=now)


def _not_met(context: Context, contents: Iterable[StripeBalanceTransaction]) -> list[str]:
    """Return the payments whose movements are not in the books yet, each once."""
    contents = tuple(contents)
    with context.db.reading() as session:
        missing = set(_missing(session, contents))
    payments = (m.payment_intent_id for m in contents if m.id in missing)
    return list(dict.fromkeys(payment for payment in payments if payment))


def _missing(session: Session, contents: tuple[StripeBalanceTransaction, ...]) -> list[str]:
    ids = [movement.id for movement in contents]
    column = BalanceTransaction.stripe_balance_transaction_id
    known: set[str] = set()
    for some in _portions(ids):
        known |= set(session.scalars(sa.select(column).where(column.in_(some))))
    return [each for each in ids if each not in known]


def _portions(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + _AT_A_TIME] for start in range(0, len(ids), _AT_A_TIME))
