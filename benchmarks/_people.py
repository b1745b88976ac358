"""A great many readers, made inside the database.

Each has a browser that is signed in, a subscription's right that holds, the row which that one
superseded, and a right that ended last year. What a reader's cookie says is told by a number.
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.db import Database, Instant
from billing.sign_in import READER_LASTS
from billing.sign_in.secrets import hash_token

FIRST_TIME: Final = "benchmark"  # the first time that everybody signed in

_PEOPLE: Final = (
    "WITH RECURSIVE people(n) AS"
    " (SELECT 0 UNION ALL SELECT n + 1 FROM people WHERE n + 1 < :readers)"
)
_READERS: Final = (
    "INSERT INTO reader (id, email, name, created_at) WITH RECURSIVE people(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM people WHERE n < :readers)"
    " SELECT {id}, '', '', :now FROM people"
)
_SESSIONS: Final = (
    "INSERT INTO web_session (token_hash, reader_id, created_at, expires_at)"
    " SELECT {hash}, id, :now, :expires FROM"
    " (SELECT row_number() OVER () - 1 AS n, id FROM reader) AS people"
)
_RIGHTS: Final = (
    "INSERT INTO entitlement"
    " (id, reader_id, source, source_id, reason, starts_at, ends_at, recorded_at, superseded_at)"
    " SELECT {id}, id, 'subscription', CAST(:subscription AS varchar(40)) || id,"
    " 'measured', :starts, :ends, :starts, :superseded FROM reader"
)
_WRITTEN: Final[Mapping[bool, Mapping[str, str]]] = {  # on SQLite or not
    True: {"id": "lower(hex(randomblob(16)))", "hash": "sha256(:time || '-' || n)"},
    False: {
        "id": "gen_random_uuid()",
        "hash": "encode(sha256(CAST(CAST(:time AS varchar(40)) || '-' || n AS bytea)), 'hex')",
    },
}


def token(number: int, time: str = FIRST_TIME) -> str:
    """Return what the cookie of a reader says who signed in at this time."""
    return f"{time}-{number}"


def make(db: Database, readers: int, *, now: datetime) -> None:
    """Make so many readers, signed in, with three rights each; then let the database count them."""
    month, year = timedelta(days=30), timedelta(days=365)
    rights: tuple[tuple[str, datetime, datetime, datetime | None], ...] = (
        ("runs-", now - month, now + month, None),
        ("runs-", now - month, now, now - month / 2),
        ("ended-", now - year, now - year / 2, None),
    )
    with db.unit_of_work() as session, _silent(session):
        _run(session, _READERS, readers=readers, now=now)
        _sign_in(session, FIRST_TIME, now=now)
        for subscription, starts, ends, superseded in rights:
            dated = {"starts": starts, "ends": ends, "superseded": superseded}
            _run(session, _RIGHTS, subscription=subscription, **dated)
    _settle(db)


def sign_in_anew(db: Database, time: str, *, now: datetime) -> None:
    """Sign everybody out, and in again with another cookie."""
    with db.unit_of_work() as session:
        session.execute(sa.text("DELETE FROM web_session"))
        _sign_in(session, time, now=now)


def _sign_in(session: Session, time: str, *, now: datetime) -> None:
    _run(session, _SESSIONS, time=time, now=now, expires=now + READER_LASTS)


def _run(session: Session, statement: str, **values: Any) -> None:
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    if on_sqlite:
        driver: Any = session.connection().connection.driver_connection
        driver.execute("PRAGMA cache_size = -2000000")  # kB: the indexes are written at random
        driver.create_function("sha256", 1, hash_token, deterministic=True)
    instants = [
        sa.bindparam(name, type_=Instant())
        for name, value in values.items()
        if not isinstance(value, int | str)
    ]
    session.execute(sa.text(statement.format(**_WRITTEN[on_sqlite])).bindparams(*instants), values)


@contextlib.contextmanager
def _silent(session: Session) -> Iterator[None]:
    """Announce nothing meanwhile: nobody listens yet, and millions of words would be in the way."""
    if session.get_bind().dialect.name != "sqlite":
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        yield
        return
    named = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = session.execute(named).all()
    for name, _ in triggers:
        session.execute(sa.text(f"DROP TRIGGER {name}"))
    yield
    for _, sql in triggers:
        session.connection().exec_driver_sql(sql)


def _settle(db: Database) -> None:
    """Leave the tables as the database's own housekeeping would."""
    with contextlib.closing(db.engine.raw_connection()) as pooled:
        driver: Any = pooled.driver_connection
        if db.is_sqlite:
            driver.execute("ANALYZE")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            driver.autocommit = True
            driver.execute("VACUUM ANALYZE")
            driver.autocommit = False
