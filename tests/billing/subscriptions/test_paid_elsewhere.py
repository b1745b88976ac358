"""An invoice that was paid without Stripe: the reader reads, and no money of Stripe's is booked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.access import Reason
from billing.context import Context
from billing.models import Payment, SubscriptionStatus
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from tests.billing.payments.gifts import balances, expect_every_movement_once
from tests.support.stripe import LocalStripe
from tests.support.subscriber import FAILS_LATER, look, mails, reason, rights, subscribe, tasks


@pytest.mark.parametrize("how", ["by cheque", "on record"])
def test_a_renewal_paid_elsewhere_opens_the_paper_and_is_no_money_of_stripes(
    context: Context, stripe: LocalStripe, how: str
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    stripe.control("advance", to=int((ours.paid_until + timedelta(hours=2)).timestamp()))
    look(context)
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]
    told = mails(context)
    booked = balances(context, "1240", "4000")

    stripe.client.v1.invoices.pay(str(bill.id), {"paid_out_of_band": True})
    checkout.look_at_invoice(context, str(bill.id))
    if how == "on record":  # as Stripe keeps a payment that somebody else took
        (asked,) = stripe.client.v1.invoice_payments.list({"invoice": str(bill.id)}).data
        record = {"type": "payment_record", "payment_record": "prec_1", "payment_intent": None}
        stripe.rewrite(asked.id, status="paid", payment=record)
    checkout.look_at_invoice(context, str(bill.id))
    paid = look(context)

    assert (paid.status, paid.past_due_since) == (SubscriptionStatus.ACTIVE, None)
    assert paid.paid_until > ours.paid_until
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    assert rights(context).keys() == {"subscription"}
    assert (mails(context), tasks(context)) == (told, [])
    assert balances(context, "1240", "4000") == booked
    expect_every_movement_once(context, stripe)
    with context.db.reading() as session:
        assert len(session.scalars(sa.select(Payment.id)).all()) == 2  # one arrived, one failed
    stripe.advance(seconds=700)
    sweep(context, since=BEGINNING)
    assert verify(context, since=BEGINNING).exit_code == 0
