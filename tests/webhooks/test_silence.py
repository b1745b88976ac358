"""The dead man's alarm: heard by day, where somebody should be speaking, and once a day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from billing.clock import Clock
from billing.context import Context
from billing.models import (
    Checkout,
    CheckoutKind,
    CheckoutStatus,
    Cursor,
    Feed,
    OwedState,
    StripeEvent,
    Task,
)
from webhooks.poll import LIST_READ
from webhooks.silence import daytime_between, listen

TEN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday; London is UTC in November


class At:
    """A context at a moment a test chooses."""

    def __init__(self, context: Context, offset: Path) -> None:
        self._offset = offset
        self.context = replace(context, clock=Clock(offset))

    def __call__(self, moment: datetime) -> Context:
        self._offset.write_text(str(round((moment - datetime.now(UTC)).total_seconds())))
        return self.context


@pytest.fixture
def at(quiet: Context, tmp_path: Path) -> At:
    return At(quiet, tmp_path / "offset")


def an_open_checkout(context: Context, created: datetime) -> None:
    with context.db.unit_of_work() as session:
        session.add(
            Checkout(
                id=uuid4(),
                kind=CheckoutKind.DONATION,
                item="95th-anniversary",
                amount=5_00,
                browser_hash="",
                created_at=created,
                expires_at=created + timedelta(days=1),
            )
        )


def an_event(context: Context, received: datetime, feed: Feed = Feed.WEBHOOK) -> None:
    with context.db.unit_of_work() as session:
        session.add(
            StripeEvent(
                event_id=uuid4().hex,
                type="charge.succeeded",
                feed=feed,
                livemode=False,
                created_at=received,
                received_at=received,
                headers={},
                body=b"{}",
                state=OwedState.DONE,
                run_at=received,
            )
        )


def alarms(context: Context) -> list[str]:
    with context.db.reading() as session:
        told = sa.select(Task.subject).where(Task.kind == "no-webhook-comes")
        return list(session.scalars(told))


def test_six_silent_hours_by_day_are_told_once_a_day_with_what_the_list_says(
    at: At,
) -> None:
    context = at(TEN)
    an_open_checkout(context, TEN - timedelta(days=1))
    an_event(context, TEN)
    an_event(context, TEN + timedelta(hours=1), Feed.EVENTS)
    listen(at(TEN + timedelta(hours=5, minutes=55)))
    assert alarms(context) == []

    listen(at(TEN + timedelta(hours=6, minutes=5)))
    assert alarms(context) == []  # once may be an outage of ours

    with context.db.unit_of_work() as session:
        session.merge(Cursor(name=LIST_READ, at=TEN + timedelta(hours=6)))
    for minutes in (35, 65):
        listen(at(TEN + timedelta(hours=6, minutes=minutes)))

    assert alarms(context) == ["2026-11-23"]
    with context.db.reading() as session:
        detail = session.scalars(sa.select(Task.detail)).one()
    assert "since 23 November 2026, 10:00" in detail
    assert "we found 1 meanwhile" in detail
    listen(at(TEN + timedelta(days=1)))
    assert alarms(context) == ["2026-11-23", "2026-11-24"]


def test_an_alarm_while_the_list_cannot_be_read_says_so_and_counts_nothing_in_it(at: At) -> None:
    context = at(TEN)
    an_open_checkout(context, TEN - timedelta(days=1))
    an_event(context, TEN)

    for minutes in (5, 35):
        listen(at(TEN + timedelta(hours=6, minutes=minutes)))

    with context.db.reading() as session:
        detail = session.scalars(sa.select(Task.detail)).one()
    assert "Stripe's own list of events could not be read either." in detail
    assert "meanwhile" not in detail


def test_a_webhook_ends_the_silence(at: At) -> None:
    context = at(TEN)
    an_open_checkout(context, TEN - timedelta(days=9))
    an_event(context, TEN)

    assert listen(at(TEN + timedelta(hours=1))) < timedelta(hours=1, minutes=1)
    assert alarms(context) == []


def test_who_comes_back_from_an_outage_of_their_own_waits_for_what_stripe_says_again(
    at: At,
) -> None:
    context = at(TEN)
    an_open_checkout(context, TEN - timedelta(days=1))
    for day in (1, 2, 3):  # each time the whole system was away since the day before
        an_event(context, TEN + timedelta(days=day - 1, minutes=5))
        listen(at(TEN + timedelta(days=day)))

    assert alarms(context) == []


def test_where_no_webhook_ever_came_the_first_checkout_begins_the_silence(at: At) -> None:
    context = at(TEN)
    an_open_checkout(context, TEN)

    for hours in (7, 8):
        listen(at(TEN + timedelta(hours=hours)))

    assert alarms(context) == ["2026-11-23"]


@pytest.mark.parametrize("status", [CheckoutStatus.SETTLED, CheckoutStatus.EXPIRED])
def test_where_nothing_is_live_nobody_need_speak(at: At, status: CheckoutStatus) -> None:
    context = at(TEN)
    an_open_checkout(context, TEN)
    an_event(context, TEN)
    with context.db.unit_of_work() as session:
        session.execute(sa.update(Checkout).values(status=status))

    assert listen(at(TEN + timedelta(days=3))) == timedelta()
    assert alarms(context) == []


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        (TEN, TEN + timedelta(hours=2), 2),
        (TEN.replace(hour=21), TEN.replace(hour=23), 1),  # the night says nothing
        (TEN.replace(hour=21), TEN + timedelta(days=1), 3),  # one hour, and two in the morning
        (TEN, TEN + timedelta(days=2), 28),
        (datetime(2026, 7, 1, 6, tzinfo=UTC), datetime(2026, 7, 1, 9, tzinfo=UTC), 2),  # summer
        (TEN, TEN - timedelta(hours=3), 0),
    ],
)
def test_hours_are_counted_by_day_in_london(begin: datetime, end: datetime, hours: int) -> None:
    assert daytime_between(begin, end) == timedelta(hours=hours)
