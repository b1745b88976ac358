"""What was answered at a moment follows from what was known then; late news changes no past."""

from datetime import datetime, timedelta

from billing import access, readers
from billing.access import Policy, Reason, Term
from billing.db import Database
from billing.models import EntitlementSource

POLICY = Policy(limit=3)
DAY = timedelta(days=1)


def test_a_grant_learnt_late_and_dated_back_does_not_rewrite_what_was_answered(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        access.grant(
            session,
            reader_id=reader.id,
            source=EntitlementSource.COMP,
            source_id="one",
            term=Term(now - 10 * DAY, now + 10 * DAY, "Wrote for us"),
            now=now,
        )
    with db.reading() as session:
        before = access.explain(session, reader.id, at=now - DAY, policy=POLICY)
        after = access.explain(session, reader.id, at=now, policy=POLICY)

    assert (before.decision.reason, before.known) == (Reason.METERED, ())
    assert after.decision.reason is Reason.COMP
    assert [(each.row.reason, each.holds) for each in after.known] == [("Wrote for us", True)]


def test_what_was_known_is_told_as_it_was_after_it_was_superseded(
    db: Database, now: datetime
) -> None:
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        for when, days in ((now, 30), (now + DAY, 2)):
            access.grant(
                session,
                reader_id=reader.id,
                source=EntitlementSource.COMP,
                source_id="one",
                term=Term(now, now + days * DAY, f"{days} days"),
                now=when,
            )
    with db.reading() as session:
        told = [
            [
                each.row.reason
                for each in access.explain(session, reader.id, at=at, policy=POLICY).known
            ]
            for at in (now, now + DAY, now + 3 * DAY)
        ]
        last = access.explain(session, reader.id, at=now + 3 * DAY, policy=POLICY)

    assert told == [["30 days"], ["2 days"], ["2 days"]]
    assert [each.holds for each in last.known] == [False]
    assert last.decision.reason is Reason.METERED
