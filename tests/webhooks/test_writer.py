"""The writer of a web process: nothing is answered that is not stored, whatever becomes of it."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from billing.context import Context
from billing.db import Database
from billing.models import Feed, StripeEvent
from tests.webhooks.conftest import event_of
from webhooks import event
from webhooks.record import record, row_of
from webhooks.writer import NotStoredError, Writer


@pytest.fixture
def writer(db: Database) -> Iterator[Writer]:
    writer = Writer(db)
    yield writer
    writer.close()


def row(quiet: Context, event_id: str, **changed: Any) -> dict[str, Any]:
    body = json.dumps(event_of(event_id)).encode()
    made = row_of(event.read(body), **facts(quiet, body))
    return {**made, **changed}


def facts(quiet: Context, body: bytes) -> dict[str, Any]:
    return {
        "body": body,
        "headers": {"user-agent": "Stripe/1.0"},
        "feed": Feed.WEBHOOK,
        "subject": "payment:pi_1",
        "settings": quiet.settings,
        "now": quiet.clock.now(),
    }


def stored(db: Database) -> set[str]:
    with db.reading() as session:
        return set(session.scalars(sa.select(StripeEvent.event_id)))


def together(writer: Writer, *rows: dict[str, Any]) -> list[bool | BaseException]:
    """Store rows at one moment; return what was said of each."""

    async def all_at_once() -> list[bool | BaseException]:
        said = (writer.store(each) for each in rows)
        return await asyncio.gather(*said, return_exceptions=True)

    return asyncio.run(all_at_once())


def test_a_row_is_the_same_whichever_way_it_is_stored(
    quiet: Context, db: Database, writer: Writer
) -> None:
    body = json.dumps(event_of()).encode()
    given = facts(quiet, body)
    with db.unit_of_work() as session:
        assert record(session, event.read(body), **given)
    assert together(writer, {**row_of(event.read(body), **given), "event_id": "evt_2"}) == [True]

    with db.reading() as session:
        one, two = session.execute(sa.select(StripeEvent.__table__)).mappings()
    unlike = {"id", "event_id"}
    assert {k: v for k, v in one.items() if k not in unlike} == {
        k: v for k, v in two.items() if k not in unlike
    }


def test_an_event_that_comes_twice_at_one_moment_is_new_once(
    quiet: Context, db: Database, writer: Writer
) -> None:
    twice = row(quiet, "evt_1")

    said = together(writer, twice, row(quiet, "evt_2"), twice)

    assert (said.count(True), said.count(False)) == (2, 1)
    assert together(writer, twice) == [False]
    assert stored(db) == {"evt_1", "evt_2"}


def test_a_row_the_database_refuses_does_not_spoil_its_neighbours(
    quiet: Context, db: Database, writer: Writer
) -> None:
    bad = row(quiet, "evt_bad", attempts=None)

    said = together(writer, row(quiet, "evt_1"), bad, row(quiet, "evt_2"), row(quiet, "evt_3"))

    assert [said[0], said[2], said[3]] == [True, True, True]
    assert isinstance(said[1], NotStoredError)
    assert stored(db) == {"evt_1", "evt_2", "evt_3"}


def test_the_same_events_from_everywhere_in_every_order_never_wait_for_each_other(
    quiet: Context, db: Database
) -> None:
    rows = [row(quiet, f"evt_{number}") for number in range(12)]
    writers = [Writer(db) for _ in range(3)]

    async def storm() -> list[bool]:
        said: list[bool] = []
        for turn in range(20):
            mixed = random.Random(turn).sample(rows, len(rows))  # noqa: S311  # a shuffle
            named = [{**each, "event_id": f"{each['event_id']}_{turn}"} for each in mixed]
            said += await asyncio.gather(*(w.store(each) for each in named for w in writers))
        return said

    said = asyncio.run(storm())
    for each in writers:
        each.close()

    assert said.count(True) == len(stored(db)) == 12 * 20
    assert len(said) == 12 * 20 * 3


def test_after_the_database_was_restarted_the_next_event_is_stored(
    quiet: Context, db: Database, writer: Writer
) -> None:
    assert together(writer, row(quiet, "evt_1")) == [True]
    if not db.is_sqlite:  # a file is not restarted
        with db.engine.connect() as admin:
            admin.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    assert together(writer, *(row(quiet, f"evt_{n}") for n in range(2, 40))) == [True] * 38
    assert len(stored(db)) == 39


@contextmanager
def out_of_reach(db: Database) -> Iterator[None]:
    """Let nobody connect to a database for a while."""
    db.close()
    if db.is_sqlite:
        path = Path(str(db.url.database))
        path.rename(path.with_suffix(".away"))
        path.mkdir()
        yield
        path.rmdir()
        path.with_suffix(".away").rename(path)
        return
    elsewhere = sa.create_engine(db.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with elsewhere.connect() as admin:
        gate = f'ALTER DATABASE "{db.url.database}" WITH ALLOW_CONNECTIONS'
        admin.exec_driver_sql(f"{gate} false")
        yield
        admin.exec_driver_sql(f"{gate} true")
    elsewhere.dispose()


def test_while_the_database_is_down_everybody_is_told_and_later_events_are_stored(
    quiet: Context, db: Database, writer: Writer
) -> None:
    rows = [row(quiet, f"evt_{number}") for number in range(20)]
    with out_of_reach(db):
        said = together(writer, *rows)

    assert [type(each) for each in said] == [NotStoredError] * 20
    assert together(writer, *rows) == [True] * 20
    assert len(stored(db)) == 20


def test_closed_it_has_let_go_of_every_connection_and_can_begin_again(
    quiet: Context, db: Database, writer: Writer
) -> None:
    def connections() -> int:
        if db.is_sqlite:
            return 0
        with db.engine.connect() as admin:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            return int(admin.exec_driver_sql(asked).scalar_one())

    before = connections()
    for turn in range(3):
        rows = [row(quiet, f"evt_{turn}_{number}") for number in range(40)]
        assert together(writer, *rows) == [True] * 40
        writer.close()
        writer.close()

    assert connections() == before
    assert len(stored(db)) == 120
