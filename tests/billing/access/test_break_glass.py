"""The switch that opens the paper: it ends by itself, closes at once, and is written down."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from billing import access, readers
from billing.access import Facts, Policy, Reason, Term, break_glass, decide
from billing.access.decide import LAST_KNOWN, Opening
from billing.access.explain import explain
from billing.db import Database
from billing.driver import Connection
from billing.errors import RefusedError
from billing.models import AuditRecord, EntitlementSource, OpenTo

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
POLICY = Policy(limit=0)
ROSA, CLARA = "staff:rosa", "staff:clara"


def open_to(db: Database, whom: OpenTo, now: datetime, hours: int = 2) -> None:
    with db.unit_of_work() as session:
        break_glass.open_paper(
            session, open_to=whom, hours=hours, reason=" A fault ", actor=ROSA, now=now
        )


def close(db: Database, now: datetime) -> int:
    with db.unit_of_work() as session:
        return break_glass.close_paper(session, actor=CLARA, now=now)


def standing(db: Database, now: datetime) -> tuple[Opening, ...]:
    """Return what stands, which the check and a session must see alike."""
    with Connection(db) as connection:
        straight = tuple(Opening(*row) for row in connection.run(break_glass.STANDING, now=now))
    with db.reading() as session:
        assert break_glass.standing(session, now=now) == straight
    return straight


def a_visitors_reason(db: Database, now: datetime) -> Reason:
    openings = standing(db, now)
    facts = Facts(
        (), used=0, read_before=False, window_ends=now + timedelta(days=30), openings=openings
    )
    return decide(facts, now=now, policy=POLICY).reason


def somebody_with(db: Database, now: datetime, *terms: tuple[EntitlementSource, Term]) -> UUID:
    with db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        for source, term in terms:
            access.grant(
                session,
                reader_id=reader.id,
                source=source,
                source_id=str(reader.id),
                term=term,
                now=now,
            )
        return reader.id


def reason_of(db: Database, reader_id: UUID, at: datetime) -> Reason:
    with db.reading() as session:
        return explain(session, reader_id, at=at, policy=POLICY).decision.reason


def test_an_opening_lets_everybody_in_at_once_and_ends_by_itself(
    db: Database, now: datetime
) -> None:
    assert a_visitors_reason(db, now) is Reason.LIMIT_REACHED

    open_to(db, OpenTo.EVERYONE, now)

    assert [a_visitors_reason(db, now + after) for after in (0 * HOUR, 2 * HOUR - SECOND)] == [
        Reason.BREAK_GLASS,
        Reason.BREAK_GLASS,
    ]
    assert a_visitors_reason(db, now + 2 * HOUR) is Reason.LIMIT_REACHED
    assert standing(db, now + 2 * HOUR) == ()


def test_a_closed_one_closes_at_once_and_closing_again_changes_nothing(
    db: Database, now: datetime
) -> None:
    open_to(db, OpenTo.EVERYONE, now)
    open_to(db, OpenTo.SUBSCRIBERS, now + SECOND, hours=168)

    assert [close(db, now + HOUR), close(db, now + HOUR), close(db, now + 2 * HOUR)] == [2, 0, 0]

    assert a_visitors_reason(db, now + HOUR) is Reason.LIMIT_REACHED
    with db.reading() as session:
        assert break_glass.running(session, now=now + HOUR) == []
        later, first = break_glass.lately(session, most=10)
    assert (first.ends_at, first.planned_end, first.closed_at, first.closed_by) == (
        now + HOUR,
        now + 2 * HOUR,
        now + HOUR,
        CLARA,
    )
    assert (later.open_to, later.planned_end) == (
        OpenTo.SUBSCRIBERS,
        now + SECOND + 168 * HOUR,
    )


def test_one_that_has_ended_is_not_closed_and_one_opened_by_a_clock_ahead_is(
    db: Database, now: datetime
) -> None:
    open_to(db, OpenTo.EVERYONE, now - 2 * HOUR)
    assert close(db, now) == 0

    open_to(db, OpenTo.EVERYONE, now + SECOND)
    assert close(db, now) == 1

    assert standing(db, now + SECOND) == ()
    with db.reading() as session:
        ahead, ended = break_glass.lately(session, most=10)
    assert (ahead.starts_at, ahead.ends_at, ahead.closed_at) == (now + SECOND, now + SECOND, now)
    assert (ended.closed_at, ended.closed_by, ended.planned_end) == (None, "", None)


def test_who_opened_and_closed_it_for_whom_how_long_and_why_is_written_down(
    db: Database, now: datetime
) -> None:
    open_to(db, OpenTo.SUBSCRIBERS, now)
    close(db, now + HOUR)

    with db.reading() as session:
        [opening] = break_glass.lately(session, most=10)
        said = session.scalars(sa.select(AuditRecord).order_by(AuditRecord.id)).all()
    assert [(each.at, each.actor, each.action, each.subject, each.detail) for each in said] == [
        (
            now,
            ROSA,
            "paper opened",
            f"opening:{opening.id}",
            {"open_to": "subscribers", "hours": 2, "reason": "A fault"},
        ),
        (now + HOUR, CLARA, "paper closed", f"opening:{opening.id}", {}),
    ]


@pytest.mark.parametrize(
    ("hours", "reason", "says"),
    [
        (0, "A fault", "Choose between 1 and 168 hours."),
        (169, "A fault", "Choose between 1 and 168 hours."),
        (1, "  ", "Say why, in at most 300 letters."),
        (1, "x" * 301, "Say why, in at most 300 letters."),
    ],
)
def test_nobody_opens_it_for_ever_or_without_a_reason(
    db: Database, now: datetime, hours: int, reason: str, says: str
) -> None:
    with pytest.raises(RefusedError, match=says), db.unit_of_work() as session:
        break_glass.open_paper(
            session, open_to=OpenTo.EVERYONE, hours=hours, reason=reason, actor=ROSA, now=now
        )
    assert standing(db, now) == ()


def test_opened_to_subscribers_it_lets_in_who_had_a_paid_right_lately_and_nobody_else(
    db: Database, now: datetime
) -> None:
    paid, comp = EntitlementSource.SUBSCRIPTION, EntitlementSource.COMP
    begun = now - timedelta(days=300)
    lately = somebody_with(db, begun, (paid, Term(begun, now - LAST_KNOWN + SECOND, "Paid")))
    long_ago = somebody_with(db, begun, (paid, Term(begun, now - LAST_KNOWN, "Paid")))
    given = somebody_with(db, begun, (comp, Term(begun, now - HOUR, "Wrote for us")))
    nobody = somebody_with(db, begun)
    open_to(db, OpenTo.SUBSCRIBERS, now)

    answers = [reason_of(db, each, now) for each in (lately, long_ago, given, nobody)]

    assert answers == [Reason.BREAK_GLASS, *[Reason.LIMIT_REACHED] * 3]
    assert a_visitors_reason(db, now) is Reason.LIMIT_REACHED
    assert reason_of(db, lately, now + 2 * HOUR) is Reason.LIMIT_REACHED


def test_an_opening_is_told_as_it_was_known_before_and_after_it_was_closed(
    db: Database, now: datetime
) -> None:
    nobody = somebody_with(db, now)
    open_to(db, OpenTo.EVERYONE, now, hours=10)
    close(db, now + HOUR)

    with db.reading() as session:
        known = [
            explain(session, nobody, at=now + after, policy=POLICY)
            for after in (-SECOND, 0 * HOUR, HOUR - SECOND, HOUR, 2 * HOUR)
        ]
    as_planned = (Opening(OpenTo.EVERYONE, now, now + 10 * HOUR),)
    assert [each.openings for each in known] == [(), as_planned, as_planned, (), ()]
    assert [each.decision.reason for each in known] == [
        Reason.LIMIT_REACHED,
        Reason.BREAK_GLASS,
        Reason.BREAK_GLASS,
        Reason.LIMIT_REACHED,
        Reason.LIMIT_REACHED,
    ]
    assert known[1].decision.valid_until == now + 10 * HOUR
