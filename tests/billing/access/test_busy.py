"""A database that is asked too much is not one that is gone, and a queue opens nothing for good."""

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from billing.access import Question, Reason, wall
from billing.access.threads import Threads
from billing.db import Database
from billing.driver import Connection, DatabaseAwayError, DatabaseBusyError
from billing.models import Task
from billing.settings import Paywall, Settings
from tests.billing.access.test_wall import a_reader, give
from tests.support.databases import PostgresqlTemplate, SqliteTemplate
from tests.support.waiting import until
from tests.support.walls import process

SLEEPS = sa.select(sa.func.pg_sleep(5).label("slept"))
ONE = sa.select(sa.literal(1).label("one"))


@pytest.fixture
def on_sqlite(sqlite_template: SqliteTemplate) -> Iterator[Database]:
    with sqlite_template.fresh() as url:
        db = Database(url)
        yield db
        db.close()


@pytest.fixture
def on_postgresql(postgresql_template: PostgresqlTemplate) -> Iterator[Database]:
    with postgresql_template.fresh() as url:
        db = Database(url)
        yield db
        db.close()


@pytest.mark.slow
def test_while_somebody_holds_the_writers_lock_only_what_must_be_written_is_answered_blindly(
    on_sqlite: Database,
) -> None:
    settings = Settings(paywall=Paywall(limit=3))
    subscriber, theirs = a_reader(on_sqlite)
    give(on_sqlite, subscriber)
    _, free = a_reader(on_sqlite)
    with process(on_sqlite, settings) as web:
        assert web.reason(Question("a", free)) is Reason.METERED
        writer = sqlite3.connect(str(on_sqlite.url.database), isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        try:
            assert web.reason(Question("b", free)) is Reason.OUTAGE
            assert web.reason(Question("c", free), opens=False) is Reason.UNAVAILABLE
            assert web.reason(Question("x", theirs)) is Reason.COMP, (
                "to find somebody is no writing"
            )
        finally:
            writer.execute("ROLLBACK")
            writer.close()
        until(lambda: web.reason(Question("a", free)) is Reason.REREAD)
        until(lambda: tasks_of(on_sqlite) == ["wall-outage"])
        assert web.reason(Question("b", free)) is Reason.METERED


def tasks_of(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(sa.select(Task.kind)))


def test_a_statement_that_takes_too_long_is_given_up_and_not_run_again(
    on_postgresql: Database,
) -> None:
    hasty = on_postgresql.in_haste(0.3)
    with Connection(hasty) as connection:
        assert connection.run(ONE) == [(1,)]
        began = datetime.now(UTC)
        with pytest.raises(DatabaseBusyError):
            connection.run(SLEEPS)
        assert (datetime.now(UTC) - began).total_seconds() < 0.6
        assert connection.run(ONE) == [(1,)]
    hasty.close()


def test_a_connection_that_was_cut_is_opened_again_without_a_word(on_postgresql: Database) -> None:
    with Connection(on_postgresql) as connection, on_postgresql.engine.connect() as other:
        assert connection.run(ONE) == [(1,)]
        other.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert connection.run(ONE) == [(1,)]


def test_whoever_waits_while_others_are_answered_finds_the_database_busy_and_not_gone(
    on_postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.access.threads.PATIENCE", 0.3)
    threads = Threads(on_postgresql)

    async def both() -> list[BaseException | object]:
        slow = threads.run(lambda connection: connection.run(SLEEPS))
        quick = [threads.run(lambda connection: connection.run(ONE)) for _ in range(3)]
        return list(await asyncio.gather(slow, *quick, return_exceptions=True))

    async def alone() -> None:
        await threads.run(lambda connection: connection.run(SLEEPS))

    slow, *quick = asyncio.run(both())
    assert isinstance(slow, DatabaseBusyError)
    assert quick == [[(1,)]] * 3
    with pytest.raises(DatabaseAwayError):
        asyncio.run(alone())
    assert wall._STATEMENT * 2 < 2.0
