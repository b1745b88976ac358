"""From a subscription's mirror to dated rights: each status, each instant, and nothing twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import access, readers
from billing.access.entitlements import grace_ends, settle_unknown
from billing.db import Database
from billing.models import (
    Entitlement,
    EntitlementSource,
    Interval,
    Subscription,
    SubscriptionStatus,
    Task,
)
from billing.settings import Paywall
from billing.tasks import open_tasks

PAYWALL = Paywall(grace_days=14, renewal_leeway_hours=24)
STARTED = datetime(2026, 10, 23, 9, 0, tzinfo=UTC)
PAID_UNTIL = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FAILED = PAID_UNTIL + timedelta(hours=1)
SUBSCRIPTION, GRACE = EntitlementSource.SUBSCRIPTION, EntitlementSource.GRACE

Rights = dict[EntitlementSource, tuple[datetime, datetime | None]]


def subscribe(db: Database, **values: object) -> Subscription:
    """Write the mirror of one subscription."""
    with db.unit_of_work() as session:
        reader = readers.create(session, now=STARTED)
        subscription = Subscription(
            reader_id=reader.id,
            stripe_subscription_id="sub_1",
            plan="digital",
            stripe_price_id="price_1",
            amount=549,
            currency="gbp",
            interval=Interval.MONTH,
            **{
                "status": SubscriptionStatus.ACTIVE,
                "started_at": STARTED,
                "paid_until": PAID_UNTIL,
                **values,
            },
        )
        session.add(subscription)
    return subscription


def follow(db: Database, subscription: Subscription, now: datetime, **changes: object) -> None:
    with db.unit_of_work() as session:
        mirror = session.get_one(Subscription, subscription.id)
        for name, value in changes.items():
            setattr(mirror, name, value)
        access.follow_subscription(session, mirror, paywall=PAYWALL, now=now)


def current(db: Database) -> Rights:
    with db.reading() as session:
        rows = session.scalars(sa.select(Entitlement).where(Entitlement.superseded_at.is_(None)))
        return {row.source: (row.starts_at, row.ends_at) for row in rows}


def rows(db: Database) -> int:
    with db.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Entitlement)) or 0


ENDS_EARLY = PAID_UNTIL - timedelta(days=3)
LEEWAY = timedelta(hours=24)
PAID = {SUBSCRIPTION: (STARTED, PAID_UNTIL)}


@pytest.mark.parametrize(
    ("mirror", "rights"),
    [
        # What is paid, and a moment for the renewal to reach us.
        ({"status": "active"}, {SUBSCRIPTION: (STARTED, PAID_UNTIL + LEEWAY)}),
        ({"status": "trialing"}, {SUBSCRIPTION: (STARTED, PAID_UNTIL + LEEWAY)}),
        # Ending: exactly then.
        ({"status": "active", "ends_on": PAID_UNTIL}, PAID),
        ({"status": "active", "ends_on": ENDS_EARLY}, {SUBSCRIPTION: (STARTED, ENDS_EARLY)}),
        # An end beyond what is paid gives nothing that is not paid.
        (
            {"status": "active", "ends_on": PAID_UNTIL + timedelta(days=90)},
            {SUBSCRIPTION: (STARTED, PAID_UNTIL + LEEWAY)},
        ),
        # Overdue: grace from where the paid time ends, counted from the failure.
        (
            {"status": "past_due", "past_due_since": FAILED},
            {**PAID, GRACE: (PAID_UNTIL, FAILED + timedelta(days=14))},
        ),
        (
            {
                "status": "past_due",
                "past_due_since": FAILED,
                "ends_on": PAID_UNTIL + timedelta(days=2),
            },
            {**PAID, GRACE: (PAID_UNTIL, PAID_UNTIL + timedelta(days=2))},
        ),
        ({"status": "past_due"}, PAID),
        (
            {
                "status": "past_due",
                "past_due_since": FAILED,
                "ends_on": PAID_UNTIL + timedelta(days=90),
            },
            {**PAID, GRACE: (PAID_UNTIL, FAILED + timedelta(days=14))},
        ),
        # Stripe has given up asking, which may be before the grace is over.
        (
            {"status": "unpaid", "past_due_since": FAILED},
            {**PAID, GRACE: (PAID_UNTIL, FAILED + timedelta(days=14))},
        ),
        # A bank is at work on the next period: it is let run, and said to be provisional.
        (
            {"status": "active", "provisional_until": PAID_UNTIL + timedelta(days=30)},
            {SUBSCRIPTION: (STARTED, PAID_UNTIL + timedelta(days=30) + LEEWAY)},
        ),
        # Whatever was owed once: who is not overdue, or over, has no grace.
        (
            {"status": "active", "past_due_since": FAILED},
            {SUBSCRIPTION: (STARTED, PAID_UNTIL + LEEWAY)},
        ),
        ({"status": "paused", "past_due_since": FAILED}, PAID),
        # Nothing beyond what is paid.
        ({"status": "active", "collection_paused": True}, PAID),
        ({"status": "paused"}, PAID),
        ({"status": "incomplete", "paid_until": STARTED}, {}),
        ({"status": "incomplete_expired", "paid_until": STARTED, "ended_at": STARTED}, {}),
        # Over: from that instant, and never beyond what was paid.
        ({"status": "canceled", "ended_at": ENDS_EARLY}, {SUBSCRIPTION: (STARTED, ENDS_EARLY)}),
        # Who was to pay at the start and did not has no grace; by transfer one pays later.
        ({"status": "past_due", "paid_until": STARTED, "past_due_since": STARTED}, {}),
        (
            {"status": "past_due", "paid_until": STARTED, "past_due_since": FAILED},
            {GRACE: (STARTED, FAILED + timedelta(days=14))},
        ),
        # Nor has who was given time meanwhile.
        ({"status": "past_due", "past_due_since": STARTED}, PAID),
        (
            {"status": "past_due", "past_due_since": PAID_UNTIL - timedelta(days=5)},
            {**PAID, GRACE: (PAID_UNTIL, PAID_UNTIL + timedelta(days=14))},
        ),
        ({"status": "canceled", "ended_at": PAID_UNTIL + timedelta(days=9)}, PAID),
        ({"status": "canceled"}, PAID),
        (
            {
                "status": "canceled",
                "past_due_since": FAILED,
                "ended_at": FAILED + timedelta(days=8),
            },
            {**PAID, GRACE: (PAID_UNTIL, FAILED + timedelta(days=8))},
        ),
    ],
)
def test_each_status_gives_exactly_these_rights(
    db: Database, now: datetime, mirror: dict[str, Any], rights: Rights
) -> None:
    mirror = {**mirror, "status": SubscriptionStatus(mirror["status"])}
    subscription = subscribe(db, **mirror)
    follow(db, subscription, now)
    assert current(db) == rights


LATE = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # in London it is July already


@pytest.mark.parametrize(
    ("mirror", "words"),
    [
        ({"status": "paused"}, ["Subscription, paid until 1 July 2026"]),
        (
            {"status": "active", "provisional_until": LATE + timedelta(days=31)},
            [
                "Subscription, paid until 1 July 2026; runs until 1 August 2026",
            ],
        ),
        ({"status": "active", "ends_on": LATE}, ["Subscription, ends on 1 July 2026"]),
        (
            {"status": "past_due", "past_due_since": LATE},
            [
                "Not paid since 1 July 2026; grace until 15 July 2026",
                "Subscription, paid until 1 July 2026",
            ],
        ),
        # What ends at the very instant it was paid for is told as ended.
        ({"status": "canceled", "ended_at": LATE}, ["Subscription, ends on 1 July 2026"]),
    ],
)
def test_each_right_says_why_in_londons_days(
    db: Database, now: datetime, mirror: dict[str, Any], words: list[str]
) -> None:
    dates = {"started_at": LATE - timedelta(days=30), "paid_until": LATE}
    subscription = subscribe(
        db, **dates | mirror | {"status": SubscriptionStatus(mirror["status"])}
    )
    follow(db, subscription, now)
    with db.reading() as session:
        assert sorted(session.scalars(sa.select(Entitlement.reason))) == words


def test_a_subscription_that_is_anothers_now_gives_them_its_rights(
    db: Database, now: datetime
) -> None:
    subscription = subscribe(db)
    follow(db, subscription, now)
    with db.unit_of_work() as session:
        other = readers.create(session, now=now)
    follow(db, subscription, now, reader_id=other.id)
    with db.reading() as session:
        holders = sa.select(Entitlement.reader_id).where(Entitlement.superseded_at.is_(None))
        assert session.scalars(holders).all() == [other.id]
    assert rows(db) == 2


def test_the_same_facts_again_write_nothing(db: Database, now: datetime) -> None:
    subscription = subscribe(db, status=SubscriptionStatus.PAST_DUE, past_due_since=FAILED)
    for minutes in range(3):
        follow(db, subscription, now + timedelta(minutes=minutes))
    assert rows(db) == 2


def test_a_renewal_supersedes_and_what_we_knew_before_can_still_be_told(
    db: Database, now: datetime
) -> None:
    subscription = subscribe(db)
    follow(db, subscription, now)
    renewed = PAID_UNTIL + timedelta(days=30)
    later = now + timedelta(minutes=5)
    follow(db, subscription, later, paid_until=renewed)

    assert current(db) == {SUBSCRIPTION: (STARTED, renewed + LEEWAY)}
    with db.reading() as session:
        history = session.execute(
            sa.select(
                Entitlement.ends_at,
                Entitlement.recorded_at,
                Entitlement.superseded_at,
                Entitlement.reason,
            ).order_by(Entitlement.recorded_at)
        ).all()
    assert [tuple(row) for row in history] == [
        (PAID_UNTIL + LEEWAY, now, later, "Subscription, paid until 23 November 2026"),
        (renewed + LEEWAY, later, None, "Subscription, paid until 23 December 2026"),
    ]


def test_what_was_so_before_and_is_so_again_is_written_again(db: Database, now: datetime) -> None:
    subscription = subscribe(db)
    for minutes, ends_on in enumerate((None, ENDS_EARLY, None, ENDS_EARLY)):
        follow(db, subscription, now + timedelta(minutes=minutes), ends_on=ends_on)
        ends = ends_on or PAID_UNTIL + LEEWAY
        assert (current(db), rows(db)) == ({SUBSCRIPTION: (STARTED, ends)}, minutes + 1)


def test_a_payment_put_right_ends_grace_and_goes_on_without_a_gap(
    db: Database, now: datetime
) -> None:
    subscription = subscribe(db, status=SubscriptionStatus.PAST_DUE, past_due_since=FAILED)
    follow(db, subscription, now)
    renewed = PAID_UNTIL + timedelta(days=30)
    follow(
        db,
        subscription,
        now + timedelta(days=2),
        status=SubscriptionStatus.ACTIVE,
        paid_until=renewed,
        past_due_since=None,
    )
    assert current(db) == {SUBSCRIPTION: (STARTED, renewed + LEEWAY)}


def test_a_status_nobody_knows_leaves_access_as_it_was_and_asks_the_staff_once(
    db: Database, now: datetime
) -> None:
    subscription = subscribe(db)
    follow(db, subscription, now)
    before = current(db)
    for _ in range(2):
        follow(
            db,
            subscription,
            now,
            status=SubscriptionStatus.UNKNOWN,
            paid_until=STARTED,
        )
    assert current(db) == before
    with db.reading() as session:
        [task] = session.scalars(sa.select(Task)).all()
    assert (task.kind, task.subject) == ("unknown-subscription-status", "sub_1")
    assert task.detail == (
        "Stripe gave this subscription a status we do not know; the reader's access was left as it"
        " was. Look at it in Stripe."
    )
    with db.unit_of_work() as session:
        settle_unknown(session, subscription, now=now)
        assert open_tasks(session) == []


def test_rights_from_elsewhere_are_never_touched(db: Database, now: datetime) -> None:
    subscription = subscribe(db)
    with db.unit_of_work() as session:
        access.grant(
            session,
            reader_id=subscription.reader_id,
            source=EntitlementSource.COMP,
            source_id="press card",
            term=access.Term(now, None, "Press card"),
            now=now,
        )
    follow(db, subscription, now)
    follow(db, subscription, now, status=SubscriptionStatus.CANCELED, ended_at=now)
    assert current(db)[EntitlementSource.COMP] == (now, None)
    with db.unit_of_work() as session:
        access.revoke(session, source=EntitlementSource.COMP, source_id="press card", now=now)
        access.revoke(session, source=EntitlementSource.COMP, source_id="no such", now=now)
    assert current(db) == PAID


def test_who_owes_nothing_reads_for_as_long_as_is_paid(db: Database) -> None:
    assert grace_ends(subscribe(db), PAYWALL) == PAID_UNTIL
