"""Payment methods and mandates: a mirror of what readers pay from, and what follows.

Only what belongs to a customer of ours is kept. Nothing here ever takes money: where a mandate has
ended the reader is asked for another way to pay, once, and nobody tries the old one again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue
from billing.clock import next_month
from billing.context import Context
from billing.models import Customer, PaymentMethod, Subscription
from billing.notices import MandateEnded
from billing.outbox import owe
from billing.payments.address import reader_address
from billing.queue import Fence, look
from billing.stripe_gateway import read_people as read
from billing.stripe_gateway.types import StripeMandate, StripePaymentMethod

_ENDED: Final = "inactive"


def look_at_payment_method(
    context: Context,
    payment_method_id: str,
    *,
    also: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Read a card or a bank account at Stripe and keep what it is. One that is gone is forgotten.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def apply_it(session: Session, theirs: StripePaymentMethod | None, fence: Fence) -> None:
        fence.check(session)
        if theirs is None:
            ours = session.get(PaymentMethod, payment_method_id)
            if ours is not None:
                session.delete(ours)
        else:
            _write(session, theirs, now=context.clock.now())
        also(session)

    look(
        context.db,
        payment_method_id,
        read=lambda: read.payment_method(context.gateway, payment_method_id),
        apply=apply_it,
        clock=context.clock,
    )


def get_to_know_method(context: Context, payment_method_id: str) -> None:
    """Look at a card or a bank account we have not seen yet; a known one costs no call."""
    with context.db.reading() as session:
        known = session.get(PaymentMethod, payment_method_id) is not None
    if not known:
        look_at_payment_method(context, payment_method_id)


def look_at_mandate(
    context: Context, mandate_id: str, *, also: Callable[[Session], None] = lambda _session: None
) -> None:
    """Read a mandate at Stripe; where it has ended, ask the reader who pays by it for another way.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#mandates
    """

    def read_it() -> StripeMandate | None:
        theirs = read.mandate(context.gateway, mandate_id)
        if theirs is not None:
            get_to_know_method(context, theirs.payment_method_id)
        return theirs

    def apply_it(session: Session, theirs: StripeMandate | None, fence: Fence) -> None:
        fence.check(session)
        if theirs is not None:
            now = context.clock.now()
            _write_mandate(session, theirs, catalogue=context.catalogue, now=now)
        also(session)

    look(context.db, mandate_id, read=read_it, apply=apply_it, clock=context.clock)


def get_to_know_mandate(context: Context, mandate_id: str) -> None:
    """Look at a mandate we have not seen yet; a known one costs no call."""
    with context.db.reading() as session:
        known = sa.select(PaymentMethod.mandate_id).where(PaymentMethod.mandate_id == mandate_id)
        seen = session.scalar(known.limit(1)) is not None
    if not seen:
        look_at_mandate(context, mandate_id)


@dataclass(frozen=True, slots=True)
class PaidFrom:
    """What one subscription is paid from, and whether that will do next time.

    Attributes:
        label: as a person knows it; '' where we do not know.
        runs_out: its last day, where that is this month or next, or past.
        mandate_ended: the bank takes no more debits by it.
    """

    label: str = ""
    runs_out: date | None = None
    mandate_ended: bool = False


def paid_from(session: Session, subscription: Subscription, *, today: date) -> PaidFrom:
    """Return what a subscription's next payment is taken from: its own choice, else the payer's."""
    method_id = subscription.payment_method_id or _customers_choice(session, subscription)
    method = session.get(PaymentMethod, method_id) if method_id else None
    if method is None:
        return PaidFrom()
    last = method.expires_on
    soon = last is not None and last < next_month(next_month(today))
    return PaidFrom(method.label, last if soon else None, method.mandate_status == _ENDED)


def _customers_choice(session: Session, subscription: Subscription) -> str:
    customer = session.get(Customer, subscription.stripe_customer_id)
    return customer.payment_method_id if customer else ""


def _write(session: Session, theirs: StripePaymentMethod, *, now: datetime) -> None:
    ours = session.get(PaymentMethod, theirs.id)
    if ours is None and session.get(Customer, theirs.customer_id) is None:
        return  # a stranger's, on an account we may share
    if ours is None:
        ours = PaymentMethod(stripe_payment_method_id=theirs.id)
        session.add(ours)
    ours.stripe_customer_id, ours.kind = theirs.customer_id, theirs.kind
    ours.label, ours.expires_on, ours.seen_at = theirs.label[:60], theirs.expires_on, now


def _write_mandate(
    session: Session, theirs: StripeMandate, *, catalogue: Catalogue, now: datetime
) -> None:
    ours = session.get(PaymentMethod, theirs.payment_method_id)
    if ours is None:
        return
    if theirs.status == _ENDED and ours.mandate_id not in ("", theirs.id):
        return  # an older permission, and its end was told when it came
    ours.mandate_id, ours.mandate_status = theirs.id, theirs.status
    session.flush()
    if theirs.status == _ENDED:
        _ask_for_another(session, ours, catalogue=catalogue, now=now)


def _ask_for_another(
    session: Session, method: PaymentMethod, *, catalogue: Catalogue, now: datetime
) -> None:
    """Ask the reader for another way to pay, where a live subscription has no other."""
    choosers = sa.select(Customer.stripe_customer_id).where(
        Customer.payment_method_id == method.stripe_payment_method_id
    )
    paid = session.scalars(
        sa.select(Subscription)
        .where(
            sa.or_(
                Subscription.payment_method_id == method.stripe_payment_method_id,
                sa.and_(
                    Subscription.payment_method_id == "",
                    Subscription.stripe_customer_id.in_(choosers),
                ),
            )
        )
        .order_by(Subscription.started_at)
    )
    ours = next((each for each in paid if each.status.live and each.renews), None)
    if ours is None:
        return
    notice = MandateEnded(
        plan=catalogue.plan_name(ours.plan), account=method.label, amount=ours.money
    )
    to = reader_address(session, ours.reader_id)
    fact = f"mandate-ended:{method.mandate_id}"
    owe(session, notice, to=to, fact=fact, now=now, reader_id=ours.reader_id)
