"""A donation is recorded, and thanked for, once its payment succeeded; it unlocks nothing.

One that a bank refuses days later was never thanked for: its giver is told how to try again.
"""

from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from billing.catalogue.data import Catalogue
from billing.context import Context
from billing.db import insert_ignore
from billing.models import Checkout, Donation, Payment, PaymentStatus
from billing.notices import DonationThanks, GiftFailed
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


def tell_of_failure(
    session: Session, checkout: Checkout, *, to: str, context: Context, now: datetime
) -> None:
    """Tell a giver, once, that the gift they agreed to was not paid by their bank.

    Args:
        session: the transaction in which the checkout fails.
        checkout: the gift's; its session was completed, and its payment came to nothing.
        to: the address the giver typed at Stripe; '' for none.
        context: for the appeal's name and where it can be given again.
        now: when we learned of it.
    """
    asked = (each for each in context.catalogue.appeals if each.key == checkout.item)
    appeal = next(asked, None)  # it may have left the catalogue meanwhile
    page = f"appeals/{appeal.key}" if appeal else "support"
    notice = GiftFailed(
        appeal=appeal.name if appeal else context.settings.society.paper,
        amount=checkout.money,
        link=f"{context.settings.public_url}/{page}",
    )
    fact = f"gift-failed:{checkout.id}"
    owe(session, notice, to=to, fact=fact, now=now, reader_id=checkout.reader_id)
