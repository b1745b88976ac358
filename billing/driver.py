"""Statements that go straight to the driver, where a session would cost more than all the rest.

A statement is written as everywhere else and compiled once; its values are made and read as a
session would make and read them. Each connection is its owner's alone, opened when needed, and let
go of at any failure.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.selectable import ReturnsRows

from billing.db import Database
from billing.errors import BillingError

Row = tuple[Any, ...]


class DatabaseAwayError(BillingError):
    """The database cannot be reached."""


class DatabaseBusyError(BillingError):
    """The database is there, and did not do what it was asked, or not in time."""


class Prepared:
    """A statement as one kind of database takes it."""

    def __init__(self, statement: ReturnsRows, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = compiled.string
        self._constant = dict(compiled.params)
        self._order = compiled.positiontup
        self._put = {
            name: processor
            for name, parameter in compiled.binds.items()
            if (processor := parameter.type.dialect_impl(dialect).bind_processor(dialect))
        }
        self._get: list[Callable[[Any], Any]] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) or _as_it_is
            for column in statement.exported_columns
        ]
        self._constant = {name: self._made(name, value) for name, value in self._constant.items()}

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """Return values as the driver takes them."""
        values = self._constant | {name: self._made(name, value) for name, value in given.items()}
        return values if self._order is None else [values[name] for name in self._order]

    def row(self, found: Row) -> Row:
        """Return what the driver found as a session would."""
        return tuple(get(value) for get, value in zip(self._get, found, strict=True))

    def _made(self, name: str, value: Any) -> Any:
        put = self._put.get(name)
        return value if put is None or value is None else put(value)


def _as_it_is(value: Any) -> Any:
    return value


class Connection:
    """One connection of the driver's, in which every statement commits by itself."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._dialect = db.engine.dialect
        self._prepared: dict[int, Prepared] = {}
        self._driver: Any = None
        self._cursor: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def run(self, statement: ReturnsRows, **given: Any) -> list[Row]:
        """Run a statement that may run twice, and return its rows.

        Args:
            statement: one that lives as long as the program; it is compiled once.
            given: its values by name.

        Raises:
            DatabaseAwayError: the database cannot be reached.
            DatabaseBusyError: it was reached, and the statement failed or took too long.
        """
        prepared = self._prepared.get(id(statement))
        if prepared is None:
            prepared = self._prepared[id(statement)] = Prepared(statement, self._dialect)
        values = prepared.parameters(given)
        kept = self._driver is not None
        driver = self._driver = self._driver or self._open()
        try:
            return [prepared.row(found) for found in self._run(driver, prepared.sql, values)]
        except self._dialect.loaded_dbapi.Error as error:
            lost = self._dialect.is_disconnect(error, driver, None)
            self.close()
            if not lost:
                raise DatabaseBusyError(type(error).__name__) from error
            if not kept:
                raise DatabaseAwayError(type(error).__name__) from error
        return self.run(statement, **given)  # the server was restarted since the last question

    def commit(self, statement: ReturnsRows, **given: Any) -> list[Row]:
        """Run a statement that writes, and commits by itself; see `run`."""
        return self.run(statement, **given)

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self._driver is not None:
            driver, self._driver, self._cursor = self._driver, None, None
            with contextlib.suppress(Exception):  # it is of no more use, however it ends
                driver.close()

    def _run(self, driver: Any, sql: str, values: Any) -> list[Row]:
        if self.db.is_sqlite:
            return cast("list[Row]", driver.execute(sql, values).fetchall())
        cursor = self._cursor = self._cursor or driver.cursor()
        return cast("list[Row]", cursor.execute(sql, values, prepare=True).fetchall())

    def _open(self) -> Any:
        driver: Any = None
        try:
            driver = open_driver(self.db)
            self._prepare(driver)
        except (SQLAlchemyError, self._dialect.loaded_dbapi.Error) as error:
            if driver is not None:
                driver.close()
            raise DatabaseAwayError(type(error).__name__) from error
        return driver

    def _prepare(self, driver: Any) -> None:
        if self.db.is_sqlite:
            driver.execute("PRAGMA query_only=OFF")  # who had it last may only have read
            return
        driver.autocommit = True
        # One plan serves every value: to plan each time would take longer than to look.
        driver.execute("SET plan_cache_mode = force_generic_plan")


def open_driver(db: Database) -> Any:
    """Return a connection of the driver's own, for as long as its owner likes.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    pooled = db.engine.raw_connection()
    driver = pooled.driver_connection
    pooled.detach()  # the pool makes another
    return driver
