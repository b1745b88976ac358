"""Settle a checkout: whoever comes first, the reader or the webhook, the same thing happens."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import giving, readers, subscriptions
from billing.checkout.follow import look_at_invoice, look_at_payment
from billing.context import Context
from billing.models import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Payment,
    PaymentStatus,
    Subscription,
    SubscriptionStatus,
)
from billing.payments import foreign
from billing.payments.customers import as_id
from billing.stripe_gateway import read
from billing.stripe_gateway.client import APP
from billing.stripe_gateway.types import StripeCheckoutSession

# Where a checkout may go from where it is; anything else Stripe says is older than what we know.
_MOVES = {
    CheckoutStatus.OPEN: frozenset(CheckoutStatus) - {CheckoutStatus.OPEN},
    CheckoutStatus.AWAITING_BANK: {CheckoutStatus.SETTLED, CheckoutStatus.FAILED},
    CheckoutStatus.EXPIRED: {CheckoutStatus.SETTLED, CheckoutStatus.AWAITING_BANK},
    CheckoutStatus.FAILED: {CheckoutStatus.SETTLED, CheckoutStatus.AWAITING_BANK},  # tried again
    CheckoutStatus.SETTLED: frozenset[CheckoutStatus](),
}

_REFUSED: Final = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)


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
            _write(context, session, theirs)
        also(session)


def _write(context: Context, session: Session, theirs: StripeCheckoutSession) -> None:
    now = context.clock.now()
    ours = _ours(session, theirs)
    if ours is None:
        if theirs.metadata.get("app") != APP:
            foreign.count(session, "checkout", theirs.id, now=now)
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
    if status is CheckoutStatus.FAILED and ours.kind is CheckoutKind.DONATION:
        giving.tell_of_failure(session, ours, to=theirs.payer_email, context=context, now=now)


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
        case "complete":
            return _as_the_bank_said(session, theirs)
        case "expired":
            return CheckoutStatus.EXPIRED
        case _:
            return CheckoutStatus.OPEN


def _as_the_bank_said(session: Session, theirs: StripeCheckoutSession) -> CheckoutStatus:
    """Tell what an agreed checkout has come to from what it led to; the session never says so.

    Source: https://docs.stripe.com/checkout/fulfillment#delayed-notification
    """
    what = (  # a subscription's session names its invoice, and no payment
        Payment.stripe_invoice_id == theirs.invoice_id
        if theirs.invoice_id
        else Payment.stripe_payment_intent_id == theirs.payment_intent_id
    )
    payments = set(session.scalars(sa.select(Payment.status).where(what)))
    subscription = session.scalar(
        sa.select(Subscription).where(Subscription.stripe_subscription_id == theirs.subscription_id)
    )
    if PaymentStatus.SUCCEEDED in payments:
        return CheckoutStatus.SETTLED
    refused = subscription is not None and _refused(subscription)
    if payments & {PaymentStatus.FAILED, PaymentStatus.CANCELED} or refused:
        return CheckoutStatus.FAILED
    return CheckoutStatus.AWAITING_BANK


def _refused(subscription: Subscription) -> bool:
    """Whether a first payment has come to nothing: no bank works on it any more."""
    waits = subscription.status is SubscriptionStatus.INCOMPLETE and subscription.pay_url != ""
    return subscription.status.ended or subscription.status in _REFUSED or waits
