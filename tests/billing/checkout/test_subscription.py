"""A subscription, from its start to the open door: access the moment the reader returns."""

import threading
import time
from uuid import UUID

import pytest
import sqlalchemy as sa

from billing import checkout, subscriptions
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.errors import (
    AlreadySubscribedError,
    BusyError,
    RefusedError,
    StripeUnavailableError,
    UnknownPlanError,
)
from billing.models import (
    Checkout,
    CheckoutStatus,
    Entitlement,
    OutboxMessage,
    Reader,
    Subscription,
    SubscriptionStatus,
    WebSession,
)
from tests.support.stripe import LocalStripe

MONTHLY = "digital-month-standard"
SOLIDARITY = "digital-month-solidarity"


def start(
    context: Context, lookup_key: str = MONTHLY, reader_id: UUID | None = None, browser: str = ""
) -> checkout.Started:
    return checkout.start_subscription(
        context,
        lookup_key=lookup_key,
        reader_id=reader_id,
        browser=browser,
        shown={"terms": "1"},
        caller="",
    )


def come_back(
    context: Context, started: checkout.Started, browser: str | None = None
) -> checkout.Returned:
    return checkout.settle_return(
        context,
        checkout_id=started.checkout_id,
        token=return_token(context.settings, started.checkout_id),
        browser=started.browser if browser is None else browser,
    )


def test_access_is_there_when_the_reader_returns_though_no_webhook_ever_comes(
    context: Context, stripe: LocalStripe
) -> None:
    started = start(context)
    stripe.pay(started.url, email="gwen@example.org")

    returned = come_back(context, started)

    now = context.clock.now()
    with context.db.reading() as session:
        subscription = session.scalars(sa.select(Subscription)).one()
        assert subscription.status is SubscriptionStatus.ACTIVE
        assert (subscription.plan, subscription.amount) == ("digital", 5_49)
        right = session.scalars(sa.select(Entitlement)).one()
        assert right.reader_id == returned.checkout.reader_id
        assert right.starts_at <= now < subscription.paid_until <= (right.ends_at or now)
        mail = session.scalars(sa.select(OutboxMessage)).one()
        assert (mail.kind, mail.to_address) == ("subscription_started", "gwen@example.org")
        assert mail.payload["receipt"]["number"] == "S-000001"


def test_the_browser_that_left_is_signed_in_once_and_no_other(
    context: Context, stripe: LocalStripe
) -> None:
    started = start(context)
    stripe.pay(started.url)

    stranger = come_back(context, started, browser="somebody else's cookie")
    first = come_back(context, started)
    again = come_back(context, started)

    assert (stranger.session_token, again.session_token) == ("", "")
    assert first.session_token
    with context.db.reading() as session:
        assert session.scalars(sa.select(WebSession.reader_id)).all() == [first.checkout.reader_id]


@pytest.mark.parametrize("token", ["", "nonsense", "another checkout's"])
def test_a_token_that_is_not_this_checkouts_is_refused(
    context: Context, stripe: LocalStripe, token: str
) -> None:
    started, other = start(context), start(context)
    stripe.pay(started.url)
    if token == "another checkout's":
        token = return_token(context.settings, other.checkout_id)

    with pytest.raises(RefusedError):
        checkout.settle_return(
            context, checkout_id=started.checkout_id, token=token, browser=started.browser
        )


def test_what_was_typed_at_stripe_stays_unproven(context: Context, stripe: LocalStripe) -> None:
    started = start(context)
    stripe.pay(started.url, email="Gwen@Example.org")

    returned = come_back(context, started)

    with context.db.reading() as session:
        reader = session.get_one(Reader, returned.checkout.reader_id)
        assert (reader.email, reader.email_verified_at) == ("gwen@example.org", None)


def test_our_row_is_there_before_stripe_is_asked_and_every_object_carries_our_marks(
    context: Context, stripe: LocalStripe
) -> None:
    started = start(context)

    session_id = started.url.rsplit("/", 1)[1]
    theirs = stripe.client.v1.checkout.sessions.retrieve(session_id)
    with context.db.reading() as session:
        ours = session.get_one(Checkout, started.checkout_id)
        assert ours.stripe_session_id == theirs.id
        assert ours.shown == {"terms": "1"}
        marks = {
            "app": "morning-star",
            "checkout": str(ours.id),
            "reader": str(ours.reader_id),
            "plan": "digital",
            "price": MONTHLY,
        }
    assert theirs.client_reference_id == str(started.checkout_id)
    assert theirs.metadata is not None
    assert theirs.metadata.to_dict() == marks
    stripe.pay(started.url)
    paid = stripe.client.v1.subscriptions.list().data[0]
    assert paid.metadata.to_dict() == marks


def test_opening_a_second_checkout_expires_the_first(context: Context, stripe: LocalStripe) -> None:
    first = start(context)
    second = start(context, SOLIDARITY, browser=first.browser)

    theirs = stripe.client.v1.checkout.sessions.list().data
    assert {s.id: s.status for s in theirs} == {
        first.url.rsplit("/", 1)[1]: "expired",
        second.url.rsplit("/", 1)[1]: "open",
    }
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Reader)) == 1
        assert session.get_one(Checkout, first.checkout_id).status is CheckoutStatus.EXPIRED


def test_a_second_checkout_finds_the_first_one_paid_and_refuses(
    context: Context, stripe: LocalStripe
) -> None:
    first = start(context)
    stripe.pay(first.url)

    with pytest.raises(AlreadySubscribedError):
        start(context, browser=first.browser)

    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription)).one().status is SubscriptionStatus.ACTIVE


def test_a_checkout_whose_opening_was_never_answered_opens_no_second_session(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control(
        "fail_next", method="POST", path_prefix="/v1/checkout/sessions", status=500,
        after_effect=True, times=3,
    )  # fmt: skip
    with pytest.raises(StripeUnavailableError):
        start(context, browser="one browser")
    second = start(context, browser="one browser")

    theirs = stripe.client.v1.checkout.sessions.list().data
    open_now = [s.id for s in theirs if s.status == "open"]
    assert open_now == [second.url.rsplit("/", 1)[1]]


def test_an_unknown_price_is_refused(context: Context) -> None:
    with pytest.raises(UnknownPlanError):
        start(context, "digital-fortnight-standard")


def test_many_starts_at_once_by_one_reader_leave_one_that_can_be_paid(
    context: Context, stripe: LocalStripe
) -> None:
    with context.db.unit_of_work() as session:
        from billing import readers

        reader_id = readers.create(session, now=context.clock.now()).id
    refused: list[Exception] = []

    def go() -> None:
        try:
            start(context, reader_id=reader_id)
        except (BusyError, AlreadySubscribedError) as error:
            refused.append(error)

    threads = [threading.Thread(target=go) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    theirs = stripe.client.v1.checkout.sessions.list().data
    assert len([s for s in theirs if s.status == "open"]) == 1


@pytest.mark.slow
def test_a_second_tab_while_stripe_is_slow_leaves_one_that_can_be_paid(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control(
        "fail_next", method="POST", path_prefix="/v1/checkout/sessions", status=0, delay=6
    )
    with context.db.unit_of_work() as session:
        from billing import readers

        reader_id = readers.create(session, now=context.clock.now()).id
    first = threading.Thread(target=start, args=(context,), kwargs={"reader_id": reader_id})
    first.start()
    time.sleep(1)

    with pytest.raises(StripeUnavailableError):
        start(context, reader_id=reader_id)
    first.join()
    third = start(context, reader_id=reader_id)

    theirs = stripe.client.v1.checkout.sessions.list().data
    assert [s.id for s in theirs if s.status == "open"] == [third.url.rsplit("/", 1)[1]]


def test_ending_keeps_access_to_the_end_of_what_is_paid_and_can_be_taken_back(
    context: Context, stripe: LocalStripe
) -> None:
    started = start(context)
    stripe.pay(started.url)
    reader_id = come_back(context, started).checkout.reader_id
    assert reader_id is not None
    with context.db.reading() as session:
        before = session.scalars(sa.select(Subscription)).one()

    subscriptions.cancel_at_period_end(context, reader_id=reader_id, subscription_id=before.id)

    with context.db.reading() as session:
        ending = session.scalars(sa.select(Subscription)).one()
        assert ending.ends_on == before.paid_until
        kinds = session.scalars(sa.select(OutboxMessage.kind).order_by(OutboxMessage.id)).all()
        assert kinds == ["subscription_started", "subscription_ending"]

    subscriptions.keep(context, reader_id=reader_id, subscription_id=before.id)

    with context.db.reading() as session:
        assert session.scalars(sa.select(Subscription)).one().ends_on is None


def test_nobody_ends_the_subscription_of_another(context: Context, stripe: LocalStripe) -> None:
    started = start(context)
    stripe.pay(started.url)
    come_back(context, started)
    with context.db.unit_of_work() as session:
        from billing import readers

        stranger = readers.create(session, now=context.clock.now()).id
        subscription_id = session.scalars(sa.select(Subscription.id)).one()

    with pytest.raises(RefusedError):
        subscriptions.cancel_at_period_end(
            context, reader_id=stranger, subscription_id=subscription_id
        )
