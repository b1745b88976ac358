"""What pages say of payments: to the reader only what arrived, to the public nothing of anybody."""

from datetime import timedelta

import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing.context import Context
from billing.models import Payment, PaymentStatus
from tests.billing.payments.gifts import give
from tests.support.pages import Page
from tests.support.stripe import LocalStripe
from tests.support.subscriber import FAILS_LATER, look, mirror

GIVER = ("reader@example.org", "A Reader")  # whom the local Stripe's page is told
PUBLIC = ("/support", "/subscribe", "/appeals/95th-anniversary", "/openapi.json")


def test_a_payment_that_failed_is_never_shown_among_what_was_paid(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    begin = client.post("/checkout/subscription", data={"price": "digital-month-standard"})
    back = stripe.pay(begin.headers["location"], card=FAILS_LATER)
    client.get(back.removeprefix("http://localhost:8000"))
    shown = Page(client.get("/account").text).words.count("Digital subscription Receipt")
    due = mirror(context).paid_until + timedelta(hours=3)
    stripe.control("advance", to=int(due.timestamp()))
    look(context)
    from billing import checkout

    for intent in stripe.client.v1.payment_intents.list().data:
        checkout.look_at_payment(context, intent.id)

    with context.db.reading() as session:
        states = set(session.scalars(sa.select(Payment.status)))
    assert len(states) == 2
    assert PaymentStatus.SUCCEEDED in states
    again = Page(client.get("/account").text).words
    assert (shown, again.count("Digital subscription Receipt")) == (1, 1)


def test_no_public_page_names_anybody_who_gave_or_where_to_reach_them(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    give(context, stripe)

    shown = {path: client.get(path) for path in PUBLIC}

    assert {answer.status_code for answer in shown.values()} == {200}
    naming = [path for path in PUBLIC for said in GIVER if said in shown[path].text]
    assert naming == []
