"""The database keeps its promises itself: whole commits, snapshots, aware time, its triggers."""

from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

from billing.db import Base, Database
from billing.migrations.run import current, head
from billing.models import AuditRecord, Cursor


def write(session: Session, row: Base) -> None:
    session.add(row)
    session.flush()


def audit(now: datetime) -> AuditRecord:
    return AuditRecord(at=now, actor="test", action="act", subject="subject")


def test_a_unit_of_work_that_fails_leaves_nothing(db: Database, now: datetime) -> None:
    def fail_half_way() -> None:
        with db.unit_of_work() as session:
            write(session, audit(now))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    with db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(AuditRecord)) == 0


def test_nothing_is_written_where_only_reading_was_asked_for(db: Database, now: datetime) -> None:
    with pytest.raises(DBAPIError), db.reading() as session:
        write(session, audit(now))


def test_a_reader_sees_one_snapshot_however_much_is_written_meanwhile(
    db: Database, now: datetime
) -> None:
    count = sa.select(sa.func.count()).select_from(AuditRecord)
    with db.reading() as reading:
        before = reading.scalar(count)
        with db.unit_of_work() as writing:
            writing.add(audit(now))
        assert (before, reading.scalar(count)) == (0, 0)


def test_naive_time_is_refused_and_aware_time_comes_back_as_it_went(
    db: Database, now: datetime
) -> None:
    with pytest.raises(StatementError, match="naive"), db.unit_of_work() as session:
        write(session, Cursor(name="naive", at=now.replace(tzinfo=None)))
    with db.unit_of_work() as session:
        session.add(Cursor(name="aware", at=now))

    with db.reading() as session:
        assert session.get_one(Cursor, "aware").at == now


ANNOUNCED = {
    "entitlement": "insert update delete",
    "web_session": "delete",
    "customer": "insert update",
    "checkout": "insert update",
    "break_glass": "insert update",
    "pass_key": "insert",
    "reader": "update",
}


def test_every_trigger_is_there_after_migrating_those_that_protect_and_those_that_announce(
    db: Database,
) -> None:
    assert current(db) == head()
    sqlite = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    postgresql = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    with db.reading() as session:
        found = set(session.scalars(sa.text(sqlite if db.is_sqlite else postgresql)))

    tables = ("audit_record", "journal_entry", "posting")
    verbs = ("no_update", "no_delete") if db.is_sqlite else ("no_change", "no_truncate")
    announcing = {
        f"{table}_announces_{verb}" for table, verbs in ANNOUNCED.items() for verb in verbs.split()
    }
    assert found == {f"{table}_{verb}" for table in tables for verb in verbs} | announcing | {
        *(("access_change_forgets",) if db.is_sqlite else ()),
        "posting_sealed",
        "journal_entry_balanced",
        *(() if db.is_sqlite else ("posting_balanced",)),
    }


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_record SET actor = ''", "DELETE FROM audit_record"]
)
def test_the_audit_trail_is_only_ever_added_to(db: Database, now: datetime, statement: str) -> None:
    with db.unit_of_work() as session:
        session.add(audit(now))

    with pytest.raises(DBAPIError, match="append-only"), db.unit_of_work() as session:
        session.execute(sa.text(statement))
