"""What the tests of reconciliation share: agreeing with Stripe, and counting writes and calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from billing import checkout
from billing.context import Context
from billing.db import Database
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.stripe_gateway.client import Gateway
from tests.support.stripe import LocalStripe


def subscribe(context: Context, stripe: LocalStripe, email: str = "reader@example.org") -> str:
    """Subscribe by the month, untold as yet; return the subscription."""
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    stripe.pay(started.url, email=email)
    return stripe.client.v1.subscriptions.list({"limit": 1}).data[0].id


def settle_all(context: Context, stripe: LocalStripe) -> None:
    """Agree with Stripe, with nothing left that is younger than a webhook may take."""
    stripe.advance(seconds=700)
    assert sweep(context, since=BEGINNING).stopped == ""


def count(context: Context, column: Any) -> int:
    """Return how many rows there are."""
    with context.db.reading() as session:
        return session.scalar(sa.select(sa.func.count(column))) or 0


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
