"""Settle a checkout: whoever comes first, the reader or the webhook, the same thing happens."""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import readers, subscriptions
from billing.checkout.follow import look_at_invoice, look_at_payment
from billing.context import Context
from billing.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Subscription
from billing.payments.customers import as_id
from billing.stripe_gateway import read
from billing.stripe_gateway.types import StripeCheckoutSession

# Where a checkout may go from where it is; anything else Stripe says is older than what we know.
_MOVES = {
    CheckoutStatus.OPEN: frozenset(CheckoutStatus) - {CheckoutStatus.OPEN},
    CheckoutStatus.AWAITING_BANK: {CheckoutStatus.SETTLED, CheckoutStatus.FAILED},
    CheckoutStatus.EXPIRED: {CheckoutStatus.SETTLED, CheckoutStatus.AWAITING_BANK},
    CheckoutStatus.FAILED: {CheckoutStatus.SETTLED},
    CheckoutStatus.SETTLED: frozenset[CheckoutStatus](),
}


def settle(
    context: Context,
    stripe_session_id: str,
    *,
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Look at a Checkout session, follow what it led to, and write down how it ended.

    Repeats safely, in any order and from any number of places at once.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """
    theirs = read.checkout_session(context.gateway, stripe_session_id)
    if theirs is not None and theirs.status == "complete":
        if theirs.invoice_id:
            look_at_invoice(context, theirs.invoice_id)
        elif theirs.subscription_id:
            subscriptions.look_again(context, theirs.subscription_id)
        if theirs.payment_intent_id:
            look_at_payment(context, theirs.payment_intent_id)
    with context.db.unit_of_work() as session:
        if theirs is not None:
            _write(session, theirs, now=context.clock.now())
        also(session)


def _write(session: Session, theirs: StripeCheckoutSession, *, now: datetime) -> None:
    ours = _ours(session, theirs)
    if ours is None:
        return
    if ours.reader_id is not None:
        readers.hold(session, ours.reader_id)  # before the checkout, as merging does
    session.refresh(ours, with_for_update=True)
    status = _status(session, theirs)
    if status not in _MOVES[ours.status]:
        return
    ours.status, ours.stripe_session_id = status, theirs.id
    if status is CheckoutStatus.SETTLED:
        ours.settled_at = now
    if ours.reader_id is not None:
        email, name = theirs.payer_email, theirs.payer_name
        readers.note_typed(session, ours.reader_id, email=email, name=name)


def _ours(session: Session, theirs: StripeCheckoutSession) -> Checkout | None:
    """Find our checkout by Stripe's id, or by ours where Stripe's was lost on its way."""
    found = session.scalar(sa.select(Checkout).where(Checkout.stripe_session_id == theirs.id))
    marked = as_id(theirs.client_reference_id)
    if found is not None or marked is None:
        return found
    return session.scalar(
        sa.select(Checkout).where(Checkout.id == marked, Checkout.stripe_session_id.is_(None))
    )


def _status(session: Session, theirs: StripeCheckoutSession) -> CheckoutStatus:
    if theirs.certain:
        return CheckoutStatus.SETTLED
    match theirs.status:
        case "complete" if _bank_refused(session, theirs):
            return CheckoutStatus.FAILED
        case "complete":
            return CheckoutStatus.AWAITING_BANK
        case "expired":
            return CheckoutStatus.EXPIRED
        case _:
            return CheckoutStatus.OPEN


def _bank_refused(session: Session, theirs: StripeCheckoutSession) -> bool:
    """Whether what an agreed checkout led to has come to nothing; the session never says so."""
    payment = session.scalar(
        sa.select(Payment.status).where(
            Payment.stripe_payment_intent_id == theirs.payment_intent_id
        )
    )
    subscription = session.scalar(
        sa.select(Subscription.status).where(
            Subscription.stripe_subscription_id == theirs.subscription_id
        )
    )
    return payment in (PaymentStatus.FAILED, PaymentStatus.CANCELED) or (
        subscription is not None and subscription.ended
    )
