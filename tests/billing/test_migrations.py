"""An upgrade loses nothing, and the release before it can go on writing while it is under way."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from fastapi.testclient import TestClient

from billing import office, sign_in, tasks
from billing.access import Question
from billing.context import Context
from billing.db import Database
from billing.migrations import run
from billing.models import Command, Role
from billing.readers.meters import HASH
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.stripe_gateway import commands
from service import schedule, worker
from tests.billing.reconciliation.test_any_delivery import tell_a_story, what_we_know
from tests.support.asking import ask_the_wall
from tests.support.deliveries import deliver, work_off
from tests.support.stripe import LocalStripe

OLDEST = "0001"


def columns(db: Database) -> dict[str, dict[str, Any]]:
    """Return the columns of every table, by name."""
    found = sa.inspect(db.engine)
    return {
        table: {column["name"]: column for column in found.get_columns(table)}
        for table in found.get_table_names()
    }


def go_back(db: Database) -> None:
    """Make the database one of the oldest release's."""
    url = db.url.render_as_string(hide_password=False)
    command.downgrade(run._config(url), OLDEST)


def live_on(context: Context) -> None:
    """Have somebody of the staff come in, a visitor read, and a worker at work."""
    now = context.clock.now()
    who: Any = {
        "email": "finance@paper.example",
        "name": "Fay",
        "role": Role.FINANCE,
        "actor": "cli",
    }
    with context.db.unit_of_work() as session:
        staff = office.add_staff(session, **who, now=now)
        office.issue_link(session, context.settings, staff, now=now)
        sign_in.begin_session(session, staff_id=staff.id, now=now)
        tasks.raise_task(session, "a-question", subject="it", detail="Look at it.", now=now)
    cookie = ""
    for article in ("one", "two"):
        question = Question(article, "", cookie, counts=True)
        answer = ask_the_wall(context.db, context.settings, question, now=now)
        cookie = answer.new_cookie or cookie
    worker.beat(context)
    schedule.run_due(context)


def test_an_older_database_with_a_life_in_it_is_brought_up_to_date_and_agrees_with_stripe(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    deliver(client, context, tell_a_story(context, stripe))
    known = what_we_know(context)
    go_back(context.db)
    with context.db.engine.begin() as connection:  # as if the older release still owed it all
        connection.exec_driver_sql("UPDATE stripe_event SET state = 'ready', attempts = 0")

    run.upgrade(context.db.url.render_as_string(hide_password=False))
    work_off(context)

    assert what_we_know(context) == known
    assert sweep(context, since=BEGINNING, apply=False).in_words()[-1] == "no difference"
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), context.db.unit_of_work() as s:
        s.execute(sa.text("UPDATE posting SET amount = 0"))


def test_the_release_before_can_write_to_a_database_of_this_one(db: Database) -> None:
    now = columns(db)
    go_back(db)
    before = columns(db)

    assert before.keys() - now.keys() == set()
    for table, known in before.items():
        assert known.keys() - now[table].keys() == set(), table
        needed = {
            name
            for name, column in now[table].items()
            if name not in known and not column["nullable"] and column["default"] is None
        }
        assert needed == set(), table


def test_what_the_release_before_has_written_could_be_written_to_a_database_of_this_one(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    """Row for row and column for column, past every check and every unique key of today."""
    deliver(client, context, tell_a_story(context, stripe))
    live_on(context)
    url = context.db.url.render_as_string(hide_password=False)
    go_back(context.db)
    of_old = sa.MetaData()
    of_old.reflect(context.db.engine)
    tables = [table for table in of_old.sorted_tables if table.name != "alembic_version"]
    with context.db.engine.connect() as connection:
        written = {
            t: [dict(row) for row in connection.execute(t.select()).mappings()] for t in tables
        }
    command.downgrade(run._config(url), "base")
    run.upgrade(url)

    with context.db.engine.begin() as connection:
        # An entry is written behind its postings, and held to them.
        for table in sorted(tables, key=lambda table: table.name == "journal_entry"):
            known = sa.select(sa.func.count()).select_from(table)
            if written[table] and not connection.scalar(known):
                connection.execute(table.insert(), written[table])

    with context.db.engine.connect() as connection:
        for table, rows in written.items():
            assert len(connection.execute(table.select()).all()) >= len(rows), table.name
    assert sorted(table.name for table in tables if not written[table]) == []


def test_an_old_command_of_unknown_outcome_is_given_up_and_one_written_meanwhile_is_learnt(
    db: Database, now: datetime
) -> None:
    def write(key: str) -> None:
        """Write a command as the release before did."""
        with db.unit_of_work() as session:
            session.execute(
                sa.text(
                    "INSERT INTO command (id, kind, subject, params, api_version, idempotency_key,"
                    " state, attempts, last_error, stripe_object_id, created_at)"
                    " VALUES (:id, 'subscription.keep', 'sub_1', '{}', '', :key, 'unknown', 1, '',"
                    " '', :now)"
                ),
                {"id": uuid4() if not db.is_sqlite else uuid4().hex, "key": key, "now": now},
            )

    go_back(db)
    write("command-months-ago")

    run.upgrade(db.url.render_as_string(hide_password=False))
    write("command-under-way")

    with db.reading() as session:
        states = session.execute(sa.select(Command.idempotency_key, Command.state)).all()
        due = commands.due(session, now=now, most=9)
    assert {key: str(state) for key, state in states} == {
        "command-months-ago": "abandoned",
        "command-under-way": "unknown",
    }
    assert [command.idempotency_key for command in due] == ["command-under-way"]


def test_counts_of_the_running_month_go_up_down_and_up_again_with_the_releases(
    db: Database,
) -> None:
    url = db.url.render_as_string(hide_password=False)
    reader = uuid4()

    def counts() -> dict[str, int]:
        with db.reading() as session:
            rows = session.execute(sa.text("SELECT subject, articles FROM meter"))
            return {subject: len(articles) // HASH for subject, articles in rows}

    def write(subject: str, *articles: str) -> None:
        """Count as the release before does."""
        with db.unit_of_work() as session:
            for article in articles:
                session.execute(
                    sa.text("INSERT INTO meter_read VALUES ('2026-11', :subject, :article)"),
                    {"subject": subject, "article": article * 32},
                )

    command.downgrade(run._config(url), "0002")
    write(f"r:{reader}", "a", "b")
    write("v:x-y", "a")
    run.upgrade(url)
    assert counts() == {f"r:{reader.hex}": 2, "v:x-y": 1}

    command.downgrade(run._config(url), "0002")
    write(f"r:{reader}", "c")
    run.upgrade(url)
    assert counts() == {f"r:{reader.hex}": 3, "v:x-y": 1}
