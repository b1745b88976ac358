"""`billing explain` and `billing refund`, as staff run them."""

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import AuditRecord, Checkout, Subscription
from tests.service.conftest import Run
from tests.support.stripe import LocalStripe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def test_a_reader_is_explained_by_the_rows_that_let_them_in_and_their_payment_given_back(
    billing: Run, context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url)
    with context.db.reading() as session:
        theirs = session.get_one(Checkout, started.checkout_id).stripe_session_id
    checkout.settle(context, str(theirs))
    with context.db.reading() as session:
        ours = session.scalars(sa.select(Subscription)).one()
    intent = stripe.client.v1.payment_intents.list().data[0].id

    said = billing("explain", ours.stripe_subscription_id, "--at", "2026-01-01T09:00").stdout
    then, now = said.split("as it is answered now")

    assert f"reader {ours.reader_id}" in then
    assert "no right was known" in then
    assert ": subscriber\n" in now
    assert f"from {ours.stripe_subscription_id}, active now" in now

    unknown = billing("explain", "somebody@example.org")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("billing: nobody is known as somebody@example.org; give")

    given = billing("refund", intent, "--amount", "1.50", "--reason", "a day was missing")
    assert given.stdout == f"£1.50 of {intent} goes back to the payer\n"
    assert [refund.amount for refund in stripe.client.v1.refunds.list().data] == [150]
    with context.db.reading() as session:
        record = session.scalars(sa.select(AuditRecord)).one()
    assert (record.actor, record.action) == ("command line", "refunded")
    assert record.detail == {"amount": 150, "reason": "a day was missing"}
