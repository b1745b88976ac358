"""The database: SQLite or PostgreSQL behind one URL, and the only two ways to a session.

`unit_of_work` commits or rolls back everything; `reading` sees one unchanging snapshot and
cannot write. Nothing else in the program commits. No session is ever open across a call to Stripe.
"""

import contextlib
import copy
import enum
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from billing.errors import ConfigurationError

_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
QUIET: Final = "quiet"  # in a session's info: why nobody is told
_POOL: Final = 20  # connections a process keeps; as many again it may open for a while
CONNECTIONS: Final = 2 * _POOL  # and no more than these at once
_BUSY_SECONDS: Final = 20


class Base(DeclarativeBase):
    """The root of every table."""

    metadata = sa.MetaData(naming_convention=_NAMING)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; a naive one is refused on the way in."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse naive time; SQLite has no time zones, so it is given UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time was about to be stored; use aware UTC")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002  # SQLAlchemy's signature
    ) -> datetime | None:
        """Give back aware UTC on both databases."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(values: type[enum.StrEnum]) -> sa.Enum:
    """Return the column type for a closed list: stored by value, checked by the database."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", values.__name__).lower()
    return sa.Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=40,
        values_callable=lambda e: [str(m.value) for m in e],
    )


BigId: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Database:
    """One database, as a process sees it.

    Attributes:
        rehearsed: whether all that is written here is taken back, so that nobody may wait in it.
    """

    rehearsed = False

    def __init__(self, url: str, *, patience: float | None = None) -> None:
        self._info: dict[str, str] = {}
        self.url = _readable(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        make = _sqlite_engine if self.is_sqlite else _postgresql_engine
        self.engine = make(self.url, patience)
        self._reader = self.engine.execution_options(
            **({"read_only": True} if self.is_sqlite else _POSTGRESQL_SNAPSHOT)
        )

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """Open a session whose every write commits together, or not at all."""
        opened = Session(self.engine, expire_on_commit=False, info=self._info)
        with opened as session, session.begin():
            yield session

    def in_haste(self, patience: float) -> "Database":
        """Open the same database for those who wait no longer than some seconds for a statement."""
        return Database(self.url.render_as_string(hide_password=False), patience=patience)

    def quiet(self, why: str) -> Self:
        """Return the same database, in whose sessions what happened is told to nobody."""
        view = copy.copy(self)
        view._info = {QUIET: why}  # noqa: SLF001  # of our own class
        return view

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session on one unchanging snapshot; writing in it fails."""
        with Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _readable(url: str) -> sa.URL:
    """Read a database's address; hosting often writes `postgres://`.

    Raises:
        ConfigurationError: it is no address of a database we know.
    """
    with contextlib.suppress(sa.exc.ArgumentError):
        read = sa.make_url(url)
        if read.drivername == "postgres":
            read = read.set(drivername="postgresql")
        if read.get_backend_name() in ("sqlite", "postgresql"):
            return read
    raise ConfigurationError(
        "BILLING_DATABASE_URL: write it like sqlite:///var/billing.db or"
        " postgresql://user@host/name"
    )


_POSTGRESQL_SNAPSHOT: Final[dict[str, Any]] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}


# A server that is gone without a word is noticed in seconds; the system would wait for hours.
# Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TCP-USER-TIMEOUT
_SOON_KNOWN: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


def _postgresql_engine(url: sa.URL, patience: float | None) -> sa.Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    haste = "" if patience is None else f" -c statement_timeout={patience * 1000:.0f}"
    return sa.create_engine(
        url,
        pool_size=_POOL,
        max_overflow=_POOL,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text is kept and logged; it must not name people
        connect_args={
            "connect_timeout": 5,
            "options": f"-c timezone=UTC -c lock_timeout=15s{haste}",
            **_SOON_KNOWN,
        },
    )


def _sqlite_engine(url: sa.URL, patience: float | None) -> sa.Engine:
    busy = _BUSY_SECONDS if patience is None else patience
    engine = sa.create_engine(url, pool_size=_POOL, max_overflow=_POOL, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # Python's driver would begin transactions at moments of its own; we begin them ourselves.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={busy * 1000:.0f}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "recursive_triggers=ON",  # or INSERT OR REPLACE would delete past the triggers
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer takes its lock at once: a reader that turned writer half-way could only fail.
        read_only = bool(connection.get_execution_options().get("read_only"))
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def changed_one(session: Session, statement: sa.Update) -> bool:
    """Run an UPDATE that somebody else may have beaten; tell whether it changed its one row."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return isinstance(result, sa.CursorResult) and result.rowcount == 1


def insert_ignore(session: Session, table: type[Base]) -> PostgresqlInsert | SqliteInsert:
    """Return an INSERT which does nothing where a unique row already stands."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite_insert(table).on_conflict_do_nothing()
    return postgresql_insert(table).on_conflict_do_nothing()


def take_turns(session: Session, name: str) -> None:
    """Wait until nobody else who named the same thing is in a transaction; hold it until ours ends.

    For facts which no unique row can guard, such as "no more than twenty". On SQLite a writer is
    alone already.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big", signed=True)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
