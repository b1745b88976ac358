"""What the tests of reconciliation share: writes that were committed, and calls that were made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from billing.db import Database
from billing.stripe_gateway.client import Gateway


@contextmanager
def committed_writes(db: Database) -> Iterator[list[str]]:
    """Collect every INSERT, UPDATE and DELETE that is committed meanwhile and changed a row."""
    committed: list[str] = []

    def written(connection: Any, cursor: Any, sql: str, *_: Any) -> None:
        if sql.split(None, 1)[0].upper() in {"INSERT", "UPDATE", "DELETE"} and cursor.rowcount:
            connection.info.setdefault("written", []).append(sql)

    def commit(connection: sa.Connection) -> None:
        committed.extend(connection.info.pop("written", []))

    def rollback(connection: sa.Connection) -> None:
        connection.info.pop("written", None)

    heard: dict[str, Callable[..., Any]] = {
        "after_cursor_execute": written,
        "commit": commit,
        "rollback": rollback,
    }
    for name, listener in heard.items():
        event.listen(db.engine, name, listener)
    try:
        yield committed
    finally:
        for name, listener in heard.items():
            event.remove(db.engine, name, listener)


class CountingGateway(Gateway):
    """Stripe, with a count of how often it is asked."""

    asked = 0

    def ask(self, question: Any) -> Any:
        """Ask, and count."""
        self.asked += 1
        return super().ask(question)
