"""A gift, from its start to the ledger: the same end whichever way we hear of it."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import checkout
from billing.books.ledger import account_balance
from billing.books.totals import fund_total
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.errors import AmountError, UnknownAppealError
from billing.models import Checkout, CheckoutStatus, Donation, Entitlement, OutboxMessage, Payment
from billing.money import Money
from billing.stripe_gateway import read
from tests.support.stripe import LocalStripe

APPEAL = "95th-anniversary"


def give(context: Context, amount: int = 25_00, appeal: str = APPEAL) -> checkout.Started:
    return checkout.start_donation(
        context,
        appeal=appeal,
        amount=Money(amount),
        reader_id=None,
        shown={"button": "Give £25"},
        caller="192.0.2.1",
    )


def count(session: Session, table: type) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_a_gift_is_booked_thanked_for_and_counted_once_when_its_giver_returns(
    context: Context, stripe: LocalStripe
) -> None:
    started = give(context)
    stripe.pay(started.url, email="gwen@example.org")

    for _ in range(2):
        checkout.settle_return(
            context,
            checkout_id=started.checkout_id,
            token=return_token(context.settings, started.checkout_id),
            browser=started.browser,
        )

    with context.db.reading() as session:
        assert session.get_one(Checkout, started.checkout_id).status is CheckoutStatus.SETTLED
        assert fund_total(session, "appeal-95") == 25_00
        assert [(d.amount, d.fund, d.appeal) for d in session.scalars(sa.select(Donation))] == [
            (25_00, "appeal-95", APPEAL)
        ]
        mails = session.scalars(sa.select(OutboxMessage)).all()
        assert [(m.kind, m.to_address) for m in mails] == [("donation_thanks", "gwen@example.org")]
        assert account_balance(session, "1240") == read.balance(context.gateway)["gbp"]


def test_a_gift_without_an_address_is_booked_and_counted_and_nobody_is_written_to(
    context: Context, stripe: LocalStripe
) -> None:
    started = give(context)
    stripe.pay(started.url)
    session_id = started.url.rsplit("/", 1)[1]
    stripe.rewrite(session_id, customer_details=None)
    charge = stripe.client.v1.charges.list().data[0].id
    stripe.rewrite(charge, billing_details__email=None, receipt_email=None)

    checkout.settle(context, session_id)

    with context.db.reading() as session:
        assert fund_total(session, "appeal-95") == 25_00
        assert session.scalars(sa.select(Payment.payer_email)).all() == [""]
        assert count(session, OutboxMessage) == 0


def test_a_gift_unlocks_nothing(context: Context, stripe: LocalStripe) -> None:
    started = give(context)
    stripe.pay(started.url)

    returned = checkout.settle_return(
        context,
        checkout_id=started.checkout_id,
        token=return_token(context.settings, started.checkout_id),
        browser=started.browser,
    )

    assert returned.session_token == ""
    with context.db.reading() as session:
        assert count(session, Entitlement) == 0


def test_a_declined_card_books_nothing_and_the_checkout_stays_open(
    context: Context, stripe: LocalStripe
) -> None:
    started = give(context)
    stripe.pay(started.url, card="4000000000000002")

    checkout.settle_return(
        context,
        checkout_id=started.checkout_id,
        token=return_token(context.settings, started.checkout_id),
        browser=started.browser,
    )

    with context.db.reading() as session:
        assert session.get_one(Checkout, started.checkout_id).status is CheckoutStatus.OPEN
        assert count(session, Payment) == 0
        assert count(session, OutboxMessage) == 0
        assert fund_total(session, "appeal-95") == 0


@pytest.mark.parametrize("amount", [0, -5_00, 1_99, 5_000_01])
def test_an_amount_out_of_bounds_is_refused_with_the_bounds(context: Context, amount: int) -> None:
    with pytest.raises(AmountError, match=r"from £2\.00 to £5,000\.00"):
        give(context, amount=amount)


def test_an_unknown_appeal_is_refused(context: Context) -> None:
    with pytest.raises(UnknownAppealError):
        give(context, appeal="moon-landing")


def test_another_currency_is_refused(context: Context) -> None:
    with pytest.raises(AmountError, match="pounds"):
        checkout.start_donation(
            context,
            appeal=APPEAL,
            amount=Money(25_00, "eur"),
            reader_id=None,
            shown={},
            caller="192.0.2.1",
        )
