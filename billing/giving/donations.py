"""A donation is recorded, and thanked for, once its payment succeeded; it unlocks nothing."""

from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue
from billing.db import insert_ignore
from billing.models import Donation, Payment, PaymentStatus
from billing.notices import DonationThanks
from billing.outbox import owe
from billing.payments import address_for, receipt_for


def follow_payment(
    session: Session, payment: Payment, *, appeal: str, catalogue: Catalogue, now: datetime
) -> None:
    """Record the gift a payment made, and thank the giver. Repeats safely.

    Args:
        session: the transaction of the payment.
        payment: a donation's payment, in any state.
        appeal: the appeal it answered; '' for none.
        catalogue: for the names of funds and appeals.
        now: when we learned of it.
    """
    if payment.status is not PaymentStatus.SUCCEEDED:
        return
    session.execute(
        insert_ignore(session, Donation).values(
            id=uuid4(),
            payment_id=payment.id,
            reader_id=payment.reader_id,
            fund=payment.fund,
            appeal=appeal,
            amount=payment.amount,
            currency=payment.currency,
            given_at=payment.paid_at or payment.created_at,
        )
    )
    name = catalogue.fund_name(payment.fund)
    receipt = receipt_for(session, payment, item=f"Donation to {name}", now=now)
    owe(
        session,
        DonationThanks(receipt=receipt, appeal=name),
        to=address_for(session, payment),
        fact=f"thanks:{payment.stripe_payment_intent_id}",
        now=now,
        reader_id=payment.reader_id,
    )
