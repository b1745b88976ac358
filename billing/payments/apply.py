"""Write what Stripe says of one payment: the mirror, its refunds, and the books."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.books.opening import opened_at
from billing.catalogue.data import Catalogue
from billing.clock import accounting_day
from billing.models import Payment, PaymentPurpose, PaymentStatus, Receipt, Refund, RefundStatus
from billing.money import Money
from billing.notices import RefundMade
from billing.outbox import owe
from billing.payments import foreign
from billing.payments.customers import checkout_of, link_customer, reader_of
from billing.payments.movements import may_yet_be_placed, record_movement
from billing.payments.purpose import purpose_of
from billing.payments.receipts import address_for
from billing.queue import Fence
from billing.stripe_gateway.types import StripePayment, StripeRefund
from billing.tasks import raise_task

_GIVEN_BACK = (RefundStatus.SUCCEEDED, RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION)


def apply(
    session: Session, theirs: StripePayment, *, catalogue: Catalogue, fence: Fence, now: datetime
) -> Payment:
    """Write what Stripe says of one payment, and act on what changed. Repeats safely.

    Raises:
        StaleReadError: somebody has looked since; their answer is newer than ours.

    Source: https://docs.stripe.com/webhooks#event-ordering
    """
    fence.check(session)
    ours = _ours_or_new(session, theirs, catalogue, now)
    _mirror(session, ours, theirs, now)
    if ours.purpose is PaymentPurpose.FOREIGN and not may_yet_be_placed(ours, now):
        foreign.count(session, "payment", theirs.id, payer=theirs.customer_id, now=now)
    charge = theirs.charge
    if charge is None:
        return ours
    booked = [m.id for m in theirs.movements if record_movement(session, m, payment=ours, now=now)]
    if charge.movement is not None and charge.movement.id in booked:
        ours.balance_transaction_id = charge.movement.id
    for refund in charge.refunds:
        _apply_refund(session, ours, refund, catalogue, now)
    ours.refunded_amount = sum(r.amount for r in charge.refunds if r.status in _GIVEN_BACK)
    session.flush()
    return ours


def _ours_or_new(
    session: Session, theirs: StripePayment, catalogue: Catalogue, now: datetime
) -> Payment:
    ours = session.scalar(sa.select(Payment).where(Payment.stripe_payment_intent_id == theirs.id))
    if ours is not None and (ours.purpose is not PaymentPurpose.FOREIGN or _posted(ours)):
        return ours
    what = purpose_of(session, theirs, catalogue=catalogue, now=now)
    ours = ours or Payment(
        stripe_payment_intent_id=theirs.id,
        status=theirs.status,
        amount=theirs.amount,
        currency=theirs.currency,
        created_at=theirs.created,
    )
    ours.purpose, ours.account_code = what.purpose, what.account_code
    ours.fund, ours.plan = what.fund, what.plan
    session.add(ours)
    return ours


def _posted(ours: Payment) -> bool:
    """Whether its income is in the books, so that what it is for can no longer change."""
    return ours.balance_transaction_id != ""


def _mirror(session: Session, ours: Payment, theirs: StripePayment, now: datetime) -> None:
    """Copy what may change between two looks."""
    metadata = theirs.invoice.metadata if theirs.invoice else theirs.metadata
    ours.status = theirs.status
    ours.amount, ours.currency = theirs.amount, theirs.currency
    ours.failure = theirs.failure[:300]
    ours.stripe_customer_id = theirs.customer_id
    if theirs.invoice:
        ours.stripe_invoice_id = theirs.invoice.id
        ours.stripe_subscription_id = theirs.invoice.subscription_id
    if ours.purpose is not PaymentPurpose.FOREIGN:
        ours.checkout_id = checkout_of(session, metadata)
        ours.reader_id = reader_of(session, theirs.customer_id, metadata)
        if ours.reader_id and theirs.customer_id:
            link_customer(session, theirs.customer_id, ours.reader_id, now=now)
    charge = theirs.charge
    if charge is not None:
        ours.stripe_charge_id = charge.id
        ours.payer_name, ours.payer_email = charge.payer_name[:200], charge.payer_email[:254]
        ours.payer_country, ours.method = charge.country, charge.method
        ours.failure = ours.failure or charge.failure[:300]
        if theirs.status is PaymentStatus.SUCCEEDED:
            # A debit is asked for days before it is paid; what it moved has the day of the books.
            ours.paid_at = charge.movement.created if charge.movement else charge.created
    session.flush()


def _apply_refund(
    session: Session, payment: Payment, theirs: StripeRefund, catalogue: Catalogue, now: datetime
) -> None:
    """Write one refund, post its movements, and tell the payer once it is certain."""
    ours = session.scalar(sa.select(Refund).where(Refund.stripe_refund_id == theirs.id))
    if ours is None:
        ours = Refund(
            stripe_refund_id=theirs.id,
            payment_id=payment.id,
            amount=theirs.amount,
            currency=theirs.currency,
            created_at=theirs.created,
        )
        session.add(ours)
    ours.status, ours.reason = theirs.status, theirs.reason
    session.flush()
    for movement in theirs.movements:
        record_movement(session, movement, payment=payment, refund=ours, now=now)
    if theirs.status is RefundStatus.FAILED:
        _ask_about_refund(session, theirs, now)
    if payment.purpose is PaymentPurpose.FOREIGN or theirs.status is not RefundStatus.SUCCEEDED:
        return
    opened = opened_at(session)
    if opened is not None and theirs.created <= opened:
        return  # whoever came before us told of it
    receipt = session.scalar(sa.select(Receipt).where(Receipt.payment_id == payment.id))
    notice = RefundMade(
        amount=ours.money,
        item=item_name(payment, catalogue),
        paid_on=accounting_day(payment.paid_at or payment.created_at),
        refunded_on=accounting_day(ours.created_at),
        method=payment.method,
        receipt_number=str(receipt) if receipt else "",
    )
    to = address_for(session, payment)
    fact = f"refund:{theirs.id}"
    owe(session, notice, to=to, fact=fact, now=now, reader_id=payment.reader_id)


def _ask_about_refund(session: Session, theirs: StripeRefund, now: datetime) -> None:
    amount = Money(theirs.amount, theirs.currency)
    detail = (
        f"A refund of {amount} ({theirs.id}) did not reach the payer: the money is ours again, and"
        " the fund has it back. Ask the payer for another way to pay it out."
    )
    raise_task(session, "refund-failed", subject=theirs.id, detail=detail, now=now)


def item_name(payment: Payment, catalogue: Catalogue) -> str:
    """Say what a payment was for, as a receipt does."""
    if payment.purpose is PaymentPurpose.DONATION:
        return f"Donation to {catalogue.fund_name(payment.fund)}"
    return catalogue.plan_name(payment.plan) if payment.plan else "Subscription"
