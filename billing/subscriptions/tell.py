"""What a subscriber is told of their payments: agreed with a bank, arrived, or not to be had."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import readers
from billing.access.entitlements import grace_ends
from billing.books.opening import opened_at
from billing.catalogue.data import Catalogue
from billing.clock import accounting_day
from billing.models import (
    Checkout,
    CheckoutStatus,
    OutboxMessage,
    Payment,
    PaymentPurpose,
    PaymentStatus,
    Subscription,
    SubscriptionStatus,
)
from billing.money import Money
from billing.notices import (
    DebitAgreed,
    Notice,
    PaymentActionNeeded,
    PaymentFailed,
    PaymentReceipt,
    SubscriptionStarted,
)
from billing.outbox import owe
from billing.payments import address_for, reader_address, receipt_for
from billing.settings import Paywall
from billing.stripe_gateway.types import StripeInvoice
from billing.tasks import raise_task, settle_tasks

# Fourteen days, counted from the day after the contract.
# Source: Consumer Contracts Regulations 2013, reg 30;
# https://www.legislation.gov.uk/uksi/2013/3134/regulation/30
COOLING_OFF: Final = timedelta(days=14)
_FIRST: Final = "subscription_create"
_LATE: Final = "paid-after-end"


def tell_of_payment(
    session: Session,
    payment: Payment,
    invoice: StripeInvoice,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Send a receipt for a payment that arrived; the first tells of the start as well.

    Of the first it is told before that what was agreed, while a bank works on it.
    """
    if payment.purpose is not PaymentPurpose.SUBSCRIPTION or not payment.plan:
        return
    subscription = _subscription(session, invoice)
    if payment.status is PaymentStatus.PENDING and subscription is not None:
        tell_of_debit(session, subscription, catalogue=catalogue, now=now)
    if payment.status is not PaymentStatus.SUCCEEDED:
        return
    plan = catalogue.plan_name(payment.plan)
    starts, ends = accounting_day(invoice.period_starts), accounting_day(invoice.period_ends)
    last_day = max(starts, ends - timedelta(days=1))
    receipt = receipt_for(session, payment, item=plan, now=now, period=(starts, last_day))
    late = subscription is not None and _came_too_late(payment, invoice, subscription)
    if late:
        _ask_about_late(session, payment, invoice, now)
    fact = f"receipt:{payment.stripe_payment_intent_id}"
    if _told(session, fact):
        return  # as a start or as a renewal, whichever it looked like then: never as both
    next_on = _next_payment_on(subscription, invoice, now)
    goes_on = subscription is not None and subscription.goes_on_after(invoice.period_ends)
    paid: dict[str, Any] = {
        "receipt": receipt,
        "plan": plan,
        "renews_on": next_on,
        "unsaid": goes_on and next_on is None,
    }
    if invoice.billing_reason == _FIRST and subscription is not None and not late:
        notice: Notice = _start(session, subscription, paid, now)
    else:
        notice = PaymentReceipt(
            **paid,
            price=subscription.money if subscription is not None and next_on else None,
            ended=subscription is not None and subscription.status.ended,
            late=late,
        )
    to = address_for(session, payment)
    owe(session, notice, to=to, fact=fact, now=now, reader_id=payment.reader_id)


def _start(
    session: Session, subscription: Subscription, paid: Mapping[str, Any], now: datetime
) -> SubscriptionStarted:
    """Tell of the start, with what was agreed where that was not confirmed before."""
    agreed_on = accounting_day(subscription.started_at)
    cooling_off_ends = agreed_on + COOLING_OFF
    confirmed = _told(session, _agreed(subscription))
    over = confirmed and cooling_off_ends < accounting_day(now)
    return SubscriptionStarted(
        **paid,
        price=subscription.money,
        interval=subscription.interval.value,
        agreed_on=agreed_on,
        cooling_off_ends=None if over else cooling_off_ends,
        confirmed=confirmed,
    )


def _came_too_late(payment: Payment, invoice: StripeInvoice, subscription: Subscription) -> bool:
    """Whether it paid for days after the end, and came only then."""
    ended, paid = subscription.ended_at, payment.paid_at
    return ended is not None and paid is not None and ended < min(paid, invoice.period_ends)


def _ask_about_late(
    session: Session, payment: Payment, invoice: StripeInvoice, now: datetime
) -> None:
    """Ask staff to give it back; once it is, nobody has to."""
    if payment.refunded_amount >= payment.amount:
        settle_tasks(session, _LATE, subject=payment.stripe_payment_intent_id, now=now)
        return
    raise_task(
        session,
        _LATE,
        subject=payment.stripe_payment_intent_id,
        detail=f"{payment.money} ({payment.stripe_payment_intent_id}) came in for"
        f" {invoice.subscription_id}, which had ended by then: the reader has nothing for it, and"
        " was told that a person will write. Refund it, unless they would rather subscribe anew.",
        now=now,
    )


def _next_payment_on(
    subscription: Subscription | None, invoice: StripeInvoice, now: datetime
) -> date | None:
    """Return when the next payment is taken; what was paid may be for a period long over."""
    on_hold = subscription is not None and (
        subscription.collection_paused or subscription.status is SubscriptionStatus.PAUSED
    )
    if subscription is None or on_hold:
        return None
    ends = max(invoice.period_ends, subscription.runs_until)
    comes = ends > now and subscription.goes_on_after(ends)
    return accounting_day(ends) if comes else None


def tell_of_debit(
    session: Session, subscription: Subscription, *, catalogue: Catalogue, now: datetime
) -> None:
    """Confirm what was agreed while a bank works on a subscription's first payment; once.

    Whichever we learn last tells it: that the paper is open, or that the bank is asked. Once the
    bank has spoken it is no longer true, and another mail says what is.

    Source: https://www.legislation.gov.uk/uksi/2013/3134/regulation/16
    """
    renews_at = subscription.provisional_until
    if renews_at is None or subscription.paid_until > subscription.started_at:
        return
    opened = opened_at(session)
    if opened is not None and subscription.started_at <= opened:
        return  # whoever came before us told of it
    payment = payment_under_way(session, subscription)
    if payment is None:
        return
    agreed_on = accounting_day(subscription.started_at)
    notice = DebitAgreed(
        amount=payment.money,
        account=payment.method,
        plan=catalogue.plan_name(subscription.plan),
        price=subscription.money,
        interval=subscription.interval.value,
        agreed_on=agreed_on,
        renews_on=accounting_day(renews_at) if subscription.renews else None,
        cooling_off_ends=agreed_on + COOLING_OFF,
    )
    to, fact = address_for(session, payment), _agreed(subscription)
    owe(session, notice, to=to, fact=fact, now=now, reader_id=subscription.reader_id)


def payment_under_way(session: Session, subscription: Subscription) -> Payment | None:
    """Return the first payment a bank works on: asked for, and neither made nor refused."""
    return session.scalar(
        sa.select(Payment)
        .where(
            Payment.stripe_subscription_id == subscription.stripe_subscription_id,
            Payment.purpose == PaymentPurpose.SUBSCRIPTION,
            Payment.status == PaymentStatus.PENDING,
            Payment.stripe_charge_id != "",
            Payment.failure == "",
        )
        .order_by(Payment.created_at)
        .limit(1)
    )


def tell_of_failure(
    session: Session,
    invoice: StripeInvoice,
    *,
    catalogue: Catalogue,
    paywall: Paywall,
    now: datetime,
) -> None:
    """Tell a subscriber that a payment could not be taken, or that their bank wants them to act.

    Once for each attempt, and as one or the other; Stripe counts none of the payer's own. Who is
    still on Stripe's page is told there.

    Source: https://docs.stripe.com/api/invoices/object (attempt_count)
    """
    subscription = _subscription(session, invoice)
    if not invoice.failing or subscription is None or subscription.status.ended:
        return  # its end is told by another mail
    if invoice.billing_reason == _FIRST and not _left_the_page(session, subscription):
        return
    readers.hold(session, subscription.reader_id)
    fact = f"failed:{invoice.id}:{invoice.failed_charge or invoice.attempt_count}"
    if _told(session, fact):
        return
    ends = grace_ends(subscription, paywall)
    until = accounting_day(ends) if ends > now else None
    paid_up = until is not None and subscription.past_due_since is None
    plan = catalogue.plan_name(subscription.plan)
    amount = Money(invoice.amount_due, invoice.currency)
    notice: Notice
    if invoice.action_needed:
        notice = PaymentActionNeeded(
            plan=plan,
            amount=amount,
            pay_link=invoice.hosted_url,
            access_until=until,
            paid_up=paid_up,
        )
    else:
        notice = PaymentFailed(
            plan=plan,
            amount=amount,
            attempt=invoice.attempt_count,
            pay_link=invoice.hosted_url,
            access_until=until,
            next_attempt_on=accounting_day(invoice.next_attempt) if invoice.next_attempt else None,
            paid_up=paid_up,
        )
    to = reader_address(session, subscription.reader_id)
    owe(session, notice, to=to, fact=fact, now=now, reader_id=subscription.reader_id)


def _agreed(subscription: Subscription) -> str:
    return f"agreed:{subscription.stripe_subscription_id}"


def _told(session: Session, fact: str) -> bool:
    """Whether a fact was told already, by whatever mail."""
    told = sa.select(OutboxMessage.id).where(OutboxMessage.fact == fact).limit(1)
    return session.scalar(told) is not None


def _left_the_page(session: Session, subscription: Subscription) -> bool:
    """Whether the first payment was agreed, and only then refused: by a bank, days later."""
    if subscription.status is not SubscriptionStatus.INCOMPLETE:
        return True
    checkout = session.get(Checkout, subscription.checkout_id) if subscription.checkout_id else None
    return checkout is not None and checkout.status in (
        CheckoutStatus.AWAITING_BANK,
        CheckoutStatus.FAILED,
    )


def _subscription(session: Session, invoice: StripeInvoice) -> Subscription | None:
    return session.scalar(
        sa.select(Subscription).where(
            Subscription.stripe_subscription_id == invoice.subscription_id
        )
    )
