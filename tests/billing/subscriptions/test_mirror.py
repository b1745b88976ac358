"""What our row says after a look at Stripe: each status, and each instant it pays until."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.models import Interval, Price, Subscription, SubscriptionStatus
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.mirror import mirror

DAY = timedelta(days=1)
STARTED = datetime(2026, 10, 23, 9, 0, tzinfo=UTC)
STARTS = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # the period Stripe is in
ENDS = datetime(2026, 12, 23, 9, 0, tzinfo=UTC)
RUNNING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)
OWING = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID)
NOT_PAID: dict[str, Any] = {"period_paid": False, "paid_until": STARTS - DAY}
ENDED = {SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED}

THEIRS = StripeSubscription(
    id="sub_1",
    status=SubscriptionStatus.ACTIVE,
    customer_id="cus_new",
    metadata={},
    price_ids=("price_first", "price_second"),
    amount=5_49,
    currency="eur",
    interval=Interval.YEAR,
    started=STARTED,
    period_starts=STARTS,
    period_ends=ENDS,
    paid_until=ENDS,
    ends_on=None,
    canceled_at=None,
    ended_at=None,
    ended_unpaid=False,
)


def seen(
    status: SubscriptionStatus,
    *,
    overdue: datetime | None = None,
    price: Price | None = None,
    **theirs: Any,
) -> Subscription:
    """Look at Stripe once: our row as it stood, and then as it stands."""
    ours = Subscription(
        status=SubscriptionStatus.INCOMPLETE,
        plan="old",
        interval=Interval.MONTH,
        stripe_price_id="price_old",
        pay_url="https://pay.example/old",
        paid_until=STARTS + DAY,
        provisional_until=STARTS + 5 * DAY,
        past_due_since=overdue,
    )
    mirror(ours, replace(THEIRS, status=status, **theirs), price)
    return ours


def instants(ours: Subscription) -> tuple[datetime, datetime | None, datetime | None]:
    return ours.paid_until, ours.provisional_until, ours.past_due_since


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_what_is_no_question_of_payment_is_copied_whatever_the_status(
    status: SubscriptionStatus,
) -> None:
    ours = seen(
        status,
        ends_on=ENDS,
        ended_at=ENDS + DAY,
        collection_paused=True,
        payment_method_id="pm_1",
        pay_url="https://pay.example/new",
    )

    assert (ours.status, ours.started_at) == (status, STARTED)
    assert (ours.ends_on, ours.ended_at) == (ENDS, ENDS + DAY)
    assert (ours.amount, ours.currency, ours.collection_paused) == (5_49, "eur", True)
    assert (ours.stripe_customer_id, ours.payment_method_id) == ("cus_new", "pm_1")
    assert ours.pay_url == ("" if status in ENDED else "https://pay.example/new")


def test_a_price_of_ours_names_the_plan_and_how_often() -> None:
    price = Price(plan="digital", interval=Interval.MONTH, stripe_price_id="price_ours")

    ours = seen(SubscriptionStatus.ACTIVE, price=price)

    assert (ours.plan, ours.interval, ours.stripe_price_id) == (
        "digital",
        Interval.MONTH,
        "price_ours",
    )


@pytest.mark.parametrize(
    ("price_ids", "kept"), [(("price_first", "price_second"), "price_first"), ((), "")]
)
def test_without_a_price_of_ours_the_plan_stays_and_the_first_of_theirs_is_kept(
    price_ids: tuple[str, ...], kept: str
) -> None:
    ours = seen(SubscriptionStatus.ACTIVE, price_ids=price_ids)

    assert (ours.plan, ours.interval, ours.stripe_price_id) == ("old", Interval.YEAR, kept)


@pytest.mark.parametrize("status", RUNNING)
def test_a_paid_period_is_paid_to_its_end_and_nothing_is_owed_any_more(
    status: SubscriptionStatus,
) -> None:
    assert instants(seen(status, overdue=STARTS)) == (ENDS, None, None)


@pytest.mark.parametrize("status", RUNNING)
@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("at_bank", [None, STARTS + 9 * DAY])
def test_a_period_not_yet_paid_is_let_run_or_where_nobody_collects_what_a_bank_still_works_on(
    status: SubscriptionStatus, at_bank: datetime | None, *, paused: bool
) -> None:
    ours = seen(status, overdue=STARTS, **NOT_PAID, collection_paused=paused, at_bank_until=at_bank)

    assert instants(ours) == (STARTS - DAY, at_bank if paused else ENDS, None)


@pytest.mark.parametrize("status", OWING)
@pytest.mark.parametrize("overdue", [None, STARTS - 60 * DAY, STARTS + DAY])
@pytest.mark.parametrize(
    ("theirs", "since"),
    [(None, STARTS - DAY), (STARTS - 30 * DAY, STARTS - 30 * DAY), (ENDS, ENDS)],
)
def test_what_is_owed_is_owed_since_stripe_says_so_whatever_we_heard_before(
    status: SubscriptionStatus,
    overdue: datetime | None,
    theirs: datetime | None,
    since: datetime,
) -> None:
    ours = seen(status, overdue=overdue, **NOT_PAID, overdue_since=theirs)

    assert instants(ours) == (STARTS - DAY, None, since)


@pytest.mark.parametrize("status", OWING)
@pytest.mark.parametrize(
    ("paid_until", "let_run"), [(STARTED + DAY, ENDS), (STARTED, None), (ENDS, None)]
)
def test_a_bank_at_work_on_what_is_overdue_lets_read_on_whoever_has_paid_before(
    status: SubscriptionStatus, paid_until: datetime, let_run: datetime | None
) -> None:
    ours = seen(status, period_paid=False, paid_until=paid_until, at_bank_until=ENDS)

    assert instants(ours) == (paid_until, let_run, paid_until)


@pytest.mark.parametrize("status", RUNNING)
@pytest.mark.parametrize("paused", [False, True])
def test_what_is_let_run_takes_no_day_of_what_is_paid_for_longer(
    status: SubscriptionStatus, *, paused: bool
) -> None:
    ours = seen(
        status,
        period_paid=False,
        paid_until=ENDS + DAY,
        collection_paused=paused,
        at_bank_until=ENDS,
    )

    assert instants(ours) == (ENDS + DAY, None, None)


@pytest.mark.parametrize("status", OWING)
@pytest.mark.parametrize("overdue", [None, STARTS - 60 * DAY])
def test_who_owes_for_a_change_alone_has_what_is_paid_to_its_end(
    status: SubscriptionStatus, overdue: datetime | None
) -> None:
    assert instants(seen(status, overdue=overdue)) == (ENDS, None, None)


@pytest.mark.parametrize(
    ("status", "named"),
    [(SubscriptionStatus.PAUSED, "paused_at"), (SubscriptionStatus.CANCELED, "ended_at")],
)
@pytest.mark.parametrize(
    ("stopped", "until"), [(STARTS, STARTS), (ENDS + 3 * DAY, ENDS), (None, ENDS)]
)
def test_what_is_stopped_is_paid_until_then_and_no_longer_than_it_was(
    status: SubscriptionStatus, named: str, stopped: datetime | None, until: datetime
) -> None:
    theirs: dict[str, Any] = {named: stopped}

    assert instants(seen(status, overdue=STARTS, **theirs)) == (until, None, None)


@pytest.mark.parametrize(
    "status", [SubscriptionStatus.INCOMPLETE, SubscriptionStatus.INCOMPLETE_EXPIRED]
)
def test_a_first_payment_that_never_came_pays_nothing(status: SubscriptionStatus) -> None:
    ours = seen(status, overdue=STARTS, **NOT_PAID, ended_at=STARTS - 2 * DAY)

    assert instants(ours) == (STARTS - DAY, None, None)


def test_a_word_stripe_has_newly_invented_changes_no_instant() -> None:
    ours = seen(SubscriptionStatus.UNKNOWN, overdue=STARTS, ended_at=STARTS, paused_at=STARTS)

    assert instants(ours) == (STARTS + DAY, STARTS + 5 * DAY, STARTS)
