"""Our marks on what Stripe makes for us: by them, and by nothing a payer types, it comes home."""

import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import Checkout, OutboxMessage, Payment, Reader
from billing.money import Money
from tests.support.stripe import LocalStripe
from tests.support.subscriber import MONTHLY, session_of


def test_a_gift_carries_our_marks_on_its_page_and_on_its_payment(
    context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_donation(
        context, appeal="95th-anniversary", amount=Money(25_00), reader_id=None, shown={}, caller=""
    )
    page = stripe.client.v1.checkout.sessions.retrieve(session_of(started))
    stripe.pay(started.url)
    paid = stripe.client.v1.payment_intents.list().data[0]

    marks = {
        "app": "morning-star",
        "checkout": str(started.checkout_id),
        "fund": "appeal-95",
        "appeal": "95th-anniversary",
    }
    assert page.client_reference_id == str(started.checkout_id)
    assert page.metadata is not None
    assert page.metadata.to_dict() == paid.metadata.to_dict() == marks


def test_where_a_sale_came_from_is_kept_before_anybody_is_sent_to_stripe_and_outlives_the_payment(
    context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key=MONTHLY, reader_id=None, source="strike-at-the-docks", shown={},
        caller="",
    )  # fmt: skip

    def source() -> tuple[str, str]:
        with context.db.reading() as session:
            ours = session.get_one(Checkout, started.checkout_id)
            return ours.source, ours.item

    before = source()
    stripe.pay(started.url)
    checkout.settle(context, session_of(started))

    assert before == source() == ("strike-at-the-docks", MONTHLY)
    with context.db.reading() as session:
        assert session.scalars(sa.select(Payment.checkout_id)).all() == [started.checkout_id]


def test_who_pays_under_another_name_and_address_pays_for_the_reader_who_began(
    context: Context, stripe: LocalStripe
) -> None:
    from billing import readers

    now = context.clock.now()
    with context.db.unit_of_work() as session:
        rosa = readers.verify_and_merge(session, "rosa@example.org", now=now).id
    started = checkout.start_subscription(
        context, lookup_key=MONTHLY, reader_id=rosa, shown={}, caller=""
    )

    stripe.pay(started.url, email="a.wallet@example.com", name="A. Wallet")
    checkout.settle(context, session_of(started))

    with context.db.reading() as session:
        assert session.scalars(sa.select(Reader.email)).all() == ["rosa@example.org"]
        assert session.scalars(sa.select(Payment.reader_id)).all() == [rosa]
        assert session.scalars(sa.select(OutboxMessage.reader_id)).all() == [rosa]
