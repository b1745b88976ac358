"""Layers: rights from several sources come and go, and each is named at its own instant.

She has a comp until 30 June, buys a monthly subscription on 1 May, is given a seat by her branch on
10 May, cancels on 20 May, and is dropped by the branch on 1 June. She reads to the end of 30 June.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from billing import access, readers, sign_in
from billing.access import Policy, Reason, Term, comps
from billing.access.explain import Explanation, explain
from billing.clock import start_of_day
from billing.context import Context
from billing.db import Database
from billing.models import EntitlementSource, Interval, Subscription, SubscriptionStatus
from billing.settings import Paywall
from tests.support.pages import Page

SECOND = timedelta(seconds=1)
POLICY = Policy(limit=3)
SEAT = "branch-7"

GIVEN = datetime(2027, 4, 1, 9, 0, tzinfo=UTC)
BOUGHT = datetime(2027, 5, 1, 11, 0, tzinfo=UTC)
SEATED = datetime(2027, 5, 10, 12, 0, tzinfo=UTC)
CANCELLED = datetime(2027, 5, 20, 13, 0, tzinfo=UTC)
PAID_UNTIL = start_of_day(date(2027, 6, 1))
DROPPED = datetime(2027, 6, 1, 14, 0, tzinfo=UTC)
COMP_ENDS = start_of_day(date(2027, 7, 1))

BY_COMP = "The paper has given you access until 30 June 2027"
SUBSCRIBER = "You are a subscriber"


@dataclass
class Life:
    """One reader, and what happens to her."""

    db: Database
    reader_id: UUID
    subscription_id: UUID | None = None

    def given(self) -> None:
        with self.db.unit_of_work() as session:
            comps.give(
                session,
                self.reader_id,
                source=EntitlementSource.COMP,
                until=date(2027, 6, 30),
                reason="Wrote for us",
                actor="staff:rosa",
                now=GIVEN,
            )

    def buys(self) -> None:
        with self.db.unit_of_work() as session:
            mirror = Subscription(
                reader_id=self.reader_id,
                stripe_subscription_id="sub_1",
                plan="digital",
                stripe_price_id="price_1",
                amount=549,
                currency="gbp",
                interval=Interval.MONTH,
                status=SubscriptionStatus.ACTIVE,
                started_at=BOUGHT,
                paid_until=PAID_UNTIL,
            )
            session.add(mirror)
            session.flush()
            access.follow_subscription(session, mirror, paywall=Paywall(), now=BOUGHT)
        self.subscription_id = mirror.id

    def is_seated(self) -> None:
        with self.db.unit_of_work() as session:
            access.grant(
                session,
                reader_id=self.reader_id,
                source=EntitlementSource.SEAT,
                source_id=SEAT,
                term=Term(SEATED, None, "A seat of branch 7"),
                now=SEATED,
            )

    def cancels(self) -> None:
        with self.db.unit_of_work() as session:
            mirror = session.get_one(Subscription, self.subscription_id)
            mirror.ends_on = PAID_UNTIL
            access.follow_subscription(session, mirror, paywall=Paywall(), now=CANCELLED)

    def is_dropped(self) -> None:
        with self.db.unit_of_work() as session:
            access.revoke(
                session,
                source=EntitlementSource.SEAT,
                source_id=SEAT,
                now=DROPPED,
            )

    def known_at(self, at: datetime) -> Explanation:
        with self.db.reading() as session:
            return explain(session, self.reader_id, at=at, policy=POLICY)


# Each stage: when it begins, what begins it, what the wall says from then on, and until when that
# would stand if nothing else happened.
Stage = tuple[datetime, Callable[[Life], None] | None, Reason, datetime | None]
STAGES: list[Stage] = [
    (GIVEN, Life.given, Reason.COMP, COMP_ENDS),
    (BOUGHT, Life.buys, Reason.SUBSCRIBER, PAID_UNTIL + timedelta(days=1)),  # a day to renew
    (SEATED, Life.is_seated, Reason.SUBSCRIBER, PAID_UNTIL + timedelta(days=1)),
    (CANCELLED, Life.cancels, Reason.SUBSCRIBER, PAID_UNTIL),
    (PAID_UNTIL, None, Reason.SEAT, None),
    (DROPPED, Life.is_dropped, Reason.COMP, COMP_ENDS),
    (COMP_ENDS, None, Reason.METERED, start_of_day(date(2027, 8, 1))),
]
BEFORE = [Reason.METERED, *[reason for _, _, reason, _ in STAGES[:-1]]]


@pytest.fixture
def her(db: Database) -> Life:
    with db.unit_of_work() as session:
        return Life(db, readers.create(session, now=GIVEN).id)


def test_each_reason_begins_and_ends_at_its_instant(her: Life) -> None:
    for (at, happens, reason, until), before in zip(STAGES, BEFORE, strict=True):
        assert her.known_at(at - SECOND).decision.reason is before
        if happens:
            happens(her)
        decision = her.known_at(at).decision
        assert (at, decision.reason, decision.valid_until) == (at, reason, until)


def test_access_ends_at_the_end_of_the_last_day_of_the_comp_in_london(her: Life) -> None:
    for _, happens, _, _ in STAGES:
        if happens:
            happens(her)

    midnight = datetime(2027, 6, 30, 23, 0, tzinfo=UTC)
    assert her.known_at(midnight - SECOND).by_right
    assert not her.known_at(midnight).by_right


def test_all_that_happens_later_leaves_every_earlier_answer_as_it_was(her: Life) -> None:
    given = []
    for at, happens, _, _ in STAGES:
        if happens:
            happens(her)
        given.append((at, her.known_at(at).decision))

    assert [(at, her.known_at(at).decision) for at, _ in given] == given


@pytest.fixture
def move_to(clock_file: Path) -> Iterator[Callable[[datetime], None]]:
    """Move the whole program to an instant, and back in the end."""

    def move(instant: datetime) -> None:
        clock_file.write_text(str(round((instant - datetime.now(UTC)).total_seconds())))

    yield move
    clock_file.unlink(missing_ok=True)


def test_her_account_says_in_one_sentence_why_she_reads_at_each_stage(
    her: Life,
    client: TestClient,
    context: Context,
    move_to: Callable[[datetime], None],
) -> None:
    told = []
    for at, happens, _, _ in STAGES:
        if happens:
            happens(her)
        move_to(at + timedelta(minutes=1))
        now = context.clock.now()
        with context.db.unit_of_work() as session:
            token = sign_in.begin_session(session, reader_id=her.reader_id, now=now)
        client.cookies.set("reader", token)
        page = client.get("/account")
        assert page.status_code == 200
        said = Page(page.text).words
        assert "What you have " in said
        told.append(said.split("What you have ")[1].split(".", 1)[0])

    assert told == [
        BY_COMP,
        SUBSCRIBER,
        SUBSCRIBER,
        SUBSCRIBER,
        "You read by a seat of your organisation",
        BY_COMP,
        "You can open 20 articles free each month",
    ]
