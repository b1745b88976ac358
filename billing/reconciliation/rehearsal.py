"""A rehearsal: apply what Stripe says to our rows, see what that would change, and take it back.

It runs the very verb that a webhook runs, so what it finds is what the verb would do, no more and
no less. Nothing of it stays, nobody is mailed, and Stripe is asked nothing while it lasts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, UOWTransaction

from billing.context import Context
from billing.db import Base, Database
from billing.models import Entitlement
from billing.notices import RenewalComing
from billing.stripe_gateway.told import Key, NotToldError, ToldGateway, tell

_ENOUGH: Final = 50  # things one verb reads of Stripe; more than that is a ring
# Less than PostgreSQL waits before it breaks a deadlock: a rehearsal is always the one to give way.
_GIVE_WAY: Final = "SET LOCAL lock_timeout = '300ms'"
# How a row is written down is no difference, nor what is nothing of ours; the row itself is one.
_BESIDE: Final = frozenset(
    {
        "audit_record",
        "foreign_object",
        "object_lease",
        "posting",
        "rate_limit",
        "reader_look",
        "receipt_series",
    }
)
# The calendar alone has these fall due; another job sees to them.
_BY_CALENDAR: Final = frozenset({RenewalComing.kind})
_PASSING_BY: Final = frozenset({"seen_at", "superseded_at"})
_TOUCHES_READERS: Final = frozenset({"entitlement", "outbox_message"})
_NAMED_BY: Final = ("fact", "source_id", "subject", "object_id")
_OUR_OWN: Final = re.compile(r"[0-9a-f-]{32,36}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that applying what Stripe says would change.

    Attributes:
        row: what the row is known by, such as Stripe's id of it.
        field: the table and the column; of a row we lack, or have too much, the table alone.
        ours: as it stands; '' where we have none.
        theirs: as Stripe has it.
    """

    row: str
    field: str
    ours: str
    theirs: str


@dataclass(slots=True)
class Found:
    """What a rehearsal would have changed.

    Attributes:
        readers: whose access or mail it would have touched: ids, or addresses of guests.
        new: the rows it would have added, by table and primary key.
    """

    differences: list[Difference] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)
    new: set[tuple[str, str]] = field(default_factory=set)


def rehearse(
    context: Context, verb: Callable[[Context], None], told: MutableMapping[Key, Any]
) -> Found:
    """Do something with what Stripe has told, take it back, and return what it would have changed.

    Args:
        context: the process's context.
        verb: what to do, with a context that keeps nothing and asks nothing.
        told: what Stripe has told already; what else the verb reads is read, and added here.

    Raises:
        BusyError: somebody is looking at the same object now.
        StripeUnavailableError: Stripe did not answer.
    """
    for _ in range(_ENOUGH):
        found = Found()
        try:
            with _taken_back(context.db, found) as db:
                verb(replace(context, db=db, gateway=ToldGateway(told)))
        except NotToldError as missed:
            if missed.key is None:
                raise
            tell(context.gateway, told, missed.key)  # no transaction is open any more
        else:
            return found
    raise RuntimeError("a look at one object reads without end")


class _TakenBack(Database):
    """One transaction in which everybody works, and which is never committed."""

    rehearsed = True

    def __init__(self, of: Database, connection: sa.Connection, found: Found) -> None:
        self.url, self.is_sqlite, self.engine = of.url, of.is_sqlite, of.engine
        self._connection, self._found = connection, found

    @contextmanager
    def unit_of_work(self) -> Iterator[Session]:
        """Open a session whose writes stay until the rehearsal ends."""
        opened = Session(
            self._connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        )
        with opened as session, session.begin():
            event.listen(session, "before_flush", self._note)
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees what was written in the rehearsal."""
        with self.unit_of_work() as session:
            yield session

    def _note(self, session: Session, _context: UOWTransaction, _instances: object) -> None:
        for row in session.dirty:
            if isinstance(row, Base) and row.__tablename__ not in _BESIDE:
                _note_changes(self._found, row)
        for row in session.deleted:
            columns = sa.inspect(row).mapper.column_attrs.keys()
            name = _name({column: getattr(row, column) for column in columns})
            gone = Difference(name, row.__tablename__, "there is one", "")
            self._found.differences.append(gone)


@contextmanager
def _taken_back(db: Database, found: Found) -> Iterator[Database]:
    with db.engine.connect() as connection:
        begun = connection.begin()
        if not db.is_sqlite:
            connection.exec_driver_sql(_GIVE_WAY)

        @event.listens_for(connection, "after_cursor_execute")
        def _after(
            _connection: sa.Connection, cursor: Any, _sql: str, _values: Any, run: Any, _many: Any
        ) -> None:
            if run.isinsert and run.compiled is not None and cursor.rowcount > 0:
                _note_new(found, run.compiled.statement.table, run.compiled_parameters)

        try:
            yield _TakenBack(db, connection, found)
        finally:
            begun.rollback()


def _note_changes(found: Found, row: Base) -> None:
    """Note the columns of a row that are about to change."""
    table, state = row.__tablename__, sa.inspect(row)
    if state.identity is None or (table, _key(state.identity)) in found.new:
        return
    name = _name({each.key: state.attrs[each.key].value for each in state.mapper.column_attrs})
    for column in state.mapper.column_attrs:
        history = state.attrs[column.key].history
        if column.key in _PASSING_BY or not history.has_changes():
            continue
        before, after = next(iter(history.deleted), None), next(iter(history.added), None)
        change = Difference(name, f"{table}.{column.key}", _say(before), _say(after))
        found.differences.append(change)
    if isinstance(row, Entitlement):
        found.readers.add(str(row.reader_id))
        if row.superseded_at is not None:
            found.differences.append(Difference(name, table, row.reason, ""))


def _note_new(found: Found, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Note rows that were added."""
    if table.name in _BESIDE:
        return
    for row in rows:
        if row.get("kind") in _BY_CALENDAR:
            continue
        found.new.add((table.name, _key(row.get(each.name) for each in table.primary_key)))
        theirs = _say(row.get("reason") or row.get("detail") or "there is one")
        found.differences.append(Difference(_name(row), table.name, "", theirs))
        if table.name in _TOUCHES_READERS:
            found.readers.add(str(row.get("reader_id") or row.get("to_address")))


def _name(row: Mapping[str, Any]) -> str:
    """Return what a row is known by: Stripe's id of it, else of what it is about.

    Our own ids are drawn anew in every rehearsal, and so are no names.
    """
    stripe = [key for key in row if key.startswith("stripe_") and key.endswith("_id")]
    named = (str(row[key]) for key in (*stripe, *_NAMED_BY) if row.get(key))
    return next((name for name in named if not _OUR_OWN.fullmatch(name)), "")


def _key(values: Iterable[Any]) -> str:
    return " ".join(str(value) for value in values)


def _say(value: object) -> str:
    return "" if value is None else str(value)
