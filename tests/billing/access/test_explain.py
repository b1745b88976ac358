"""What was answered at a moment follows from what was known then; late news changes no past."""

from datetime import datetime, timedelta
from uuid import UUID

from billing import access, readers
from billing.access import Policy, Reason, Right, Term
from billing.access.explain import Explanation, earlier_selves, ever_known, explain
from billing.db import Database
from billing.models import EntitlementSource, Interval, Subscription, SubscriptionStatus
from billing.settings import Paywall

POLICY = Policy(limit=3)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
COMP = EntitlementSource.COMP
ONE = "one"


def a_reader(db: Database, now: datetime, email: str = "") -> UUID:
    with db.unit_of_work() as session:
        return readers.create(session, now=now, email=email).id


def know(
    db: Database, reader_id: UUID, term: Term, now: datetime, source: EntitlementSource = COMP
) -> None:
    with db.unit_of_work() as session:
        access.grant(session, reader_id=reader_id, source=source, source_id=ONE, term=term, now=now)


def explained(db: Database, reader_id: UUID, at: datetime) -> Explanation:
    with db.reading() as session:
        return explain(session, reader_id, at=at, policy=POLICY)


def test_a_grant_learnt_late_and_dated_back_does_not_rewrite_what_was_answered(
    db: Database, now: datetime
) -> None:
    reader = a_reader(db, now)
    know(db, reader, Term(now - 10 * DAY, now + 10 * DAY, "Wrote for us"), now)

    before, after = explained(db, reader, now - SECOND), explained(db, reader, now)

    assert (before.by_right, before.known) == (False, ())
    assert (after.by_right, after.decision.reason) == (True, Reason.COMP)
    [known] = after.known
    assert known.right == Right(Reason.COMP, now - 10 * DAY, now + 10 * DAY)
    assert (known.reason_words, known.source, known.reader_id) == ("Wrote for us", COMP, reader)
    assert (known.recorded_at, known.superseded_at, known.holds) == (now, None, True)


def test_what_was_known_is_told_as_it_was_after_it_was_superseded(
    db: Database, now: datetime
) -> None:
    reader = a_reader(db, now)
    for when, days in ((now, 30), (now + DAY, 2)):
        know(db, reader, Term(now, now + days * DAY, f"{days} days"), when)

    asked = [now, now + DAY - SECOND, now + DAY, now + 3 * DAY]
    told = [explained(db, reader, at).known for at in asked]

    assert [[(each.reason_words, each.holds) for each in known] for known in told] == [
        [("30 days", True)],
        [("30 days", True)],
        [("2 days", True)],
        [("2 days", False)],
    ]
    assert [each.superseded_at for known in told for each in known] == [
        now + DAY,
        now + DAY,
        None,
        None,
    ]
    assert not explained(db, reader, now + 3 * DAY).by_right


def test_a_webhook_that_comes_late_changes_no_answer_given_before_it_came(
    db: Database, now: datetime
) -> None:
    reader = a_reader(db, now)
    paid_until = now + 20 * DAY
    with db.unit_of_work() as session:
        mirror = Subscription(
            reader_id=reader,
            stripe_subscription_id="sub_1",
            plan="digital",
            stripe_price_id="price_1",
            amount=549,
            currency="gbp",
            interval=Interval.MONTH,
            status=SubscriptionStatus.ACTIVE,
            started_at=now - 10 * DAY,
            paid_until=paid_until,
        )
        session.add(mirror)
        session.flush()
        access.follow_subscription(session, mirror, paywall=Paywall(), now=now)
    with db.unit_of_work() as session:  # it ended two days ago, and we hear of it now
        mirror = session.get_one(Subscription, mirror.id)
        mirror.status, mirror.ended_at = SubscriptionStatus.CANCELED, now + 2 * DAY
        access.follow_subscription(session, mirror, paywall=Paywall(), now=now + 4 * DAY)

    asked = [now - SECOND, now, now + 3 * DAY, now + 4 * DAY - SECOND, now + 4 * DAY]
    told = [explained(db, reader, at) for at in asked]

    assert [each.by_right for each in told] == [False, True, True, True, False]
    assert told[1].decision.reason is Reason.SUBSCRIBER
    assert told[2].known[0].comes_from == "sub_1, canceled now"
    assert told[4].known[0].right.ends_at == now + 2 * DAY


def test_what_is_to_come_is_told_from_what_is_known_now(db: Database, now: datetime) -> None:
    reader = a_reader(db, now)
    know(db, reader, Term(now, now + DAY, "A day"), now)

    asked = (now + DAY - SECOND, now + DAY)

    assert [explained(db, reader, at).by_right for at in asked] == [True, False]


def test_whoever_is_merged_had_their_rights_as_somebody_else_until_then(
    db: Database, now: datetime
) -> None:
    typed = a_reader(db, now, email="rosa@example.org")
    know(db, typed, Term(now, now + 30 * DAY, "Paid"), now, EntitlementSource.SUBSCRIPTION)
    with db.unit_of_work() as session:
        owner = readers.create(session, now=now)
        owner.email, owner.email_verified_at = "rosa@example.org", now
    with db.unit_of_work() as session:
        readers.verify_and_merge(session, "rosa@example.org", now=now + DAY)

    with db.reading() as session:
        assert list(earlier_selves(session, owner.id)) == [typed]
        rows = ever_known(session, [owner.id, typed], now=now + DAY, most=10)
        assert ever_known(session, [owner.id, typed], now=now + DAY, most=1) == rows[:1]
    asked = [(owner.id, now), (typed, now), (owner.id, now + DAY), (typed, now + DAY)]
    assert [explained(db, who, at).by_right for who, at in asked] == [False, True, True, False]
    assert [(each.reader_id, each.recorded_at, each.superseded_at) for each in rows] == [
        (owner.id, now + DAY, None),
        (typed, now, now + DAY),
    ]
