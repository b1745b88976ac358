"""What staff give without a payment: dated as they say, learned when they say it."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from billing import access, readers
from billing.access import Policy, Reason, Term, comps
from billing.access.explain import explain
from billing.db import Database
from billing.errors import RefusedError
from billing.models import AuditRecord, Entitlement, EntitlementSource

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
COMP, STAFF, OFFLINE = comps.GIVEN
ROSA, CLARA = "staff:rosa", "staff:clara"


@pytest.fixture
def reader_id(db: Database, now: datetime) -> UUID:
    with db.unit_of_work() as session:
        return readers.create(session, now=now - 400 * DAY).id


def give(
    db: Database,
    reader_id: UUID,
    now: datetime,
    *,
    source: EntitlementSource = COMP,
    since: date | None = None,
    until: date | None = None,
    reason: str = "Wrote for us",
) -> None:
    with db.unit_of_work() as session:
        comps.give(
            session,
            reader_id,
            source=source,
            since=since,
            until=until,
            reason=reason,
            actor=ROSA,
            now=now,
        )


def rows(db: Database) -> list[Entitlement]:
    """Return every row, in the order in which they were learned."""
    with db.reading() as session:
        found = sa.select(Entitlement).order_by(Entitlement.recorded_at, Entitlement.starts_at)
        return list(session.scalars(found))


def end(db: Database, row_id: UUID, now: datetime) -> None:
    with db.unit_of_work() as session:
        row = session.get(Entitlement, row_id)
        whose = row.reader_id if row else uuid4()
        comps.end(session, whose, row_id, actor=CLARA, now=now)


def reason_at(db: Database, reader_id: UUID, at: datetime) -> Reason:
    with db.reading() as session:
        return explain(session, reader_id, at=at, policy=Policy(0)).decision.reason


def test_a_comp_holds_from_now_to_the_end_of_its_last_day_in_london(
    db: Database, reader_id: UUID
) -> None:
    now = datetime(2027, 6, 1, 9, 0, tzinfo=UTC)

    give(db, reader_id, now, until=date(2027, 6, 30), reason=" Wrote for us ")

    [row] = rows(db)
    assert (row.reader_id, row.source, row.reason) == (reader_id, COMP, "Wrote for us")
    assert (row.starts_at, row.ends_at) == (now, datetime(2027, 6, 30, 23, 0, tzinfo=UTC))
    assert (row.recorded_at, row.superseded_at) == (now, None)


def test_each_of_the_three_kinds_is_named_at_the_wall_and_may_have_no_end(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    named = []
    for source in (COMP, STAFF, OFFLINE):
        give(db, reader_id, now, source=source)
        named.append(reason_at(db, reader_id, now + 1000 * DAY))
        end(db, rows(db)[-1].id, now)

    assert named == [Reason.COMP, Reason.STAFF, Reason.OFFLINE]


def test_a_comp_dated_back_holds_from_then_and_was_not_known_before_it_was_given(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now, since=date(2026, 11, 1), until=date(2026, 11, 30))

    [row] = rows(db)
    assert (row.starts_at, row.recorded_at) == (datetime(2026, 11, 1, tzinfo=UTC), now)
    assert reason_at(db, reader_id, now - SECOND) is Reason.LIMIT_REACHED
    assert reason_at(db, reader_id, now) is Reason.COMP


def test_one_day_is_enough_and_a_day_to_come_begins_when_it_comes(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now, since=date(2026, 12, 24), until=date(2026, 12, 24))
    give(db, reader_id, now, until=date(2026, 11, 23), reason="Today")

    christmas = datetime(2026, 12, 24, tzinfo=UTC)
    asked = (christmas - SECOND, christmas, christmas + DAY - SECOND, christmas + DAY)
    assert [reason_at(db, reader_id, at) is Reason.COMP for at in asked] == [
        False, True, True, False,
    ]  # fmt: skip
    assert reason_at(db, reader_id, now) is Reason.COMP


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"source": EntitlementSource.SUBSCRIPTION}, "Staff give no access of this kind."),
        ({"reason": " "}, "Say why, in at most 300 letters."),
        ({"reason": "x" * 301}, "Say why, in at most 300 letters."),
        (
            {"since": date(2026, 12, 2), "until": date(2026, 12, 1)},
            "The last day is before the first.",
        ),
        (
            {"since": date(2026, 11, 1), "until": date(2026, 11, 22)},
            "The last day is over already.",
        ),
        ({"until": date(2026, 11, 22)}, "The last day is before the first."),
    ],
)
def test_what_will_not_do_is_refused_in_words_and_writes_nothing(
    db: Database, reader_id: UUID, now: datetime, given: dict[str, object], says: str
) -> None:
    with pytest.raises(RefusedError, match=says):
        give(db, reader_id, now, **given)  # type: ignore[arg-type]
    assert rows(db) == []


def test_nobody_is_given_anything_who_is_not_there(db: Database, now: datetime) -> None:
    with pytest.raises(RefusedError, match="Nobody has this id"):
        give(db, uuid4(), now)


def test_an_end_takes_effect_at_once_and_keeps_that_it_held_until_then(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now - 5 * DAY, until=date(2026, 12, 31))
    [given] = rows(db)

    end(db, given.id, now)

    before, after = rows(db)
    assert (before.ends_at, before.superseded_at) == (given.ends_at, now)
    assert (after.starts_at, after.ends_at) == (given.starts_at, now)
    assert (after.recorded_at, after.superseded_at) == (now, None)
    asked = (now - SECOND, now, now + DAY)
    assert [reason_at(db, reader_id, at) for at in asked] == [
        Reason.COMP,
        Reason.LIMIT_REACHED,
        Reason.LIMIT_REACHED,
    ]


def test_one_that_has_not_begun_is_taken_back_whole(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now, since=date(2026, 12, 1))

    end(db, rows(db)[0].id, now + DAY)

    [row] = rows(db)
    assert row.superseded_at == now + DAY


def test_ending_twice_or_by_a_row_that_was_replaced_ends_it_once(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now - DAY)
    first = rows(db)[0].id
    with db.unit_of_work() as session:  # somebody proves their address, and it becomes theirs
        held = session.get_one(Entitlement, first)
        access.grant(
            session,
            reader_id=readers.create(session, now=now).id,
            source=COMP,
            source_id=held.source_id,
            term=Term(held.starts_at, None, held.reason),
            now=now,
        )

    for seconds in (1, 2):
        end(db, first, now + seconds * SECOND)

    assert [row.ends_at for row in rows(db)] == [None, None, now + SECOND]
    with db.reading() as session:
        ended = session.scalars(sa.select(AuditRecord).where(AuditRecord.actor == CLARA)).one()
    assert ended.subject == f"reader:{rows(db)[-1].reader_id}"


def test_only_what_staff_gave_is_ended_here(db: Database, reader_id: UUID, now: datetime) -> None:
    with db.unit_of_work() as session:
        access.grant(
            session,
            reader_id=reader_id,
            source=EntitlementSource.SUBSCRIPTION,
            source_id="sub",
            term=Term(now, now + DAY, "Paid"),
            now=now,
        )
    for row_id in (rows(db)[0].id, uuid4()):
        with pytest.raises(RefusedError, match="No right that staff gave has this id"):
            end(db, row_id, now)
    assert [row.superseded_at for row in rows(db)] == [None]


def test_who_gave_and_ended_it_and_why_is_written_down_and_found(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now, until=date(2026, 12, 1))
    give(db, reader_id, now, source=STAFF, since=date(2026, 11, 1), reason="Subs' desk")
    end(db, next(row.id for row in rows(db) if row.source is COMP), now + DAY)

    with db.reading() as session:
        found = comps.acts(session, [reader_id])
        assert comps.acts(session, [uuid4()]) == []
    named = {row.source: row.source_id for row in rows(db)}
    assert [(act.at, act.actor, act.action, act.detail) for act in found] == [
        (
            now + DAY,
            CLARA,
            "access ended",
            {"right": named[COMP], "source": "comp", "reason": "Wrote for us"},
        ),
        (
            now,
            ROSA,
            "access given",
            {
                "right": named[STAFF],
                "source": "staff",
                "since": "2026-11-01",
                "until": "",
                "reason": "Subs' desk",
            },
        ),
        (
            now,
            ROSA,
            "access given",
            {
                "right": named[COMP],
                "source": "comp",
                "since": "2026-11-23",
                "until": "2026-12-01",
                "reason": "Wrote for us",
            },
        ),
    ]


def test_one_press_of_the_button_gives_one_right_however_often_it_is_sent(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    press = uuid4()
    for seconds in (0, 1):
        with db.unit_of_work() as session:
            comps.give(
                session,
                reader_id,
                source=COMP,
                until=None,
                reason="Wrote for us",
                actor=ROSA,
                now=now + seconds * SECOND,
                press=press,
            )
    [given] = rows(db)
    end(db, given.id, now + DAY)
    assert reason_at(db, reader_id, now + DAY) is Reason.LIMIT_REACHED
    with db.reading() as session:
        assert len(comps.acts(session, [reader_id])) == 2


def test_a_right_is_ended_on_the_page_of_whom_it_belongs_to_and_on_no_other(
    db: Database, reader_id: UUID, now: datetime
) -> None:
    give(db, reader_id, now)
    with db.unit_of_work() as session:
        other = readers.create(session, now=now).id
    with pytest.raises(RefusedError, match="no such right"), db.unit_of_work() as session:
        comps.end(session, other, rows(db)[0].id, actor=CLARA, now=now)
    assert rows(db)[0].superseded_at is None
