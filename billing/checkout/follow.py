"""Look at a payment or an invoice again, and let everything follow from it in one commit."""

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.orm import Session

from billing import giving, payments, subscriptions
from billing.books.opening import opened_at
from billing.checkout.invoice_questions import ask_about_invoice, settle_deleted
from billing.context import Context
from billing.errors import PASSING, UnknownReaderError
from billing.models import PaymentPurpose
from billing.queue import Fence, look
from billing.stripe_gateway import read, read_billing
from billing.stripe_gateway.types import StripePayment


def _nothing(_session: Session) -> None:
    """Write nothing more."""


def look_at_payment(
    context: Context, payment_intent_id: str, *, also: Callable[[Session], None] = _nothing
) -> None:
    """Read a payment at Stripe, book it, and thank or send the receipt.

    Args:
        context: the process's context.
        payment_intent_id: Stripe's id.
        also: written in the same commit as the effects.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def apply_it(session: Session, theirs: StripePayment | None, fence: Fence) -> str:
        mandate_id = ""
        if theirs is None:
            fence.check(session)
        elif _apply(context, session, theirs, fence) and theirs.charge is not None:
            mandate_id = theirs.charge.mandate_id
        also(session)
        return mandate_id

    mandate_id = look(
        context.db,
        payment_intent_id,
        read=lambda: _read_payment(context, payment_intent_id),
        apply=apply_it,
        clock=context.clock,
    )
    if mandate_id:
        with suppress(*PASSING):  # known from here on; what becomes of it Stripe tells, or a sweep
            payments.get_to_know_mandate(context, mandate_id)


def _read_payment(context: Context, payment_intent_id: str) -> StripePayment | None:
    """Read a payment, and before it is applied get to know the subscription it pays for.

    The first receipt tells of the subscription's start, whichever of the two Stripe names first.
    """
    theirs = read.payment(context.gateway, payment_intent_id)
    if theirs is not None and theirs.invoice is not None and theirs.invoice.subscription_id:
        subscription_id = theirs.invoice.subscription_id
        # Whose it is may be unknown for ever; the money is booked all the same.
        with suppress(UnknownReaderError):
            if not subscriptions.known(context, subscription_id):
                subscriptions.look_again(context, subscription_id)
    return theirs


def _apply(context: Context, session: Session, theirs: StripePayment, fence: Fence) -> bool:
    """Book a payment and let follow what follows; return whether it is ours."""
    now, catalogue = context.clock.now(), context.catalogue
    ours = payments.apply(session, theirs, catalogue=catalogue, fence=fence, now=now)
    opened = opened_at(session)
    if opened is not None and ours.paid_at is not None and ours.paid_at <= opened:
        return ours.purpose is not PaymentPurpose.FOREIGN  # whoever came before us told of it
    match ours.purpose:
        case PaymentPurpose.DONATION:
            appeal = theirs.metadata.get("appeal", "")
            giving.follow_payment(session, ours, appeal=appeal, catalogue=catalogue, now=now)
        case PaymentPurpose.SUBSCRIPTION if theirs.invoice is not None:
            subscriptions.tell_of_payment(
                session, ours, theirs.invoice, catalogue=catalogue, now=now
            )
        case _:
            pass
    return ours.purpose is not PaymentPurpose.FOREIGN


def look_at_invoice(
    context: Context, invoice_id: str, *, also: Callable[[Session], None] = _nothing
) -> None:
    """Read an invoice at Stripe: its subscription, its payments, and whether it is failing.

    An invoice paid without a payment (a trial, a full discount) extends access and books nothing.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
        UnknownReaderError: its subscription is ours, but we know no reader for it.
    """
    theirs = read_billing.invoice(context.gateway, invoice_id)
    if theirs is not None:
        if theirs.subscription_id:
            subscriptions.look_again(context, theirs.subscription_id)
        for payment_intent_id in theirs.payment_intent_ids:
            look_at_payment(context, payment_intent_id)
    with context.db.unit_of_work() as session:
        if theirs is None:
            settle_deleted(session, invoice_id, now=context.clock.now())
        else:
            ask_about_invoice(session, theirs, now=context.clock.now())
        if theirs is not None and theirs.failing:
            subscriptions.tell_of_failure(
                session,
                theirs,
                catalogue=context.catalogue,
                paywall=context.settings.paywall,
                now=context.clock.now(),
            )
        also(session)
