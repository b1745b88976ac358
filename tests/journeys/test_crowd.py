"""Many people at once, through the front door, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from billing.books.totals import fund_total
from billing.db import Database
from billing.models import Donation, JournalEntry, OutboxMessage, Posting, StripeEvent, Subscription
from billing.models import OwedState as State
from demo.browser import Browser
from demo.stack import Ports, Stack
from tests.journeys.conftest import Running, wait_for

pytestmark = pytest.mark.slow
GIVERS, SUBSCRIBERS = 10, 6


@pytest.fixture
def crowded(database_url: str, tmp_path: Path) -> Iterator[Running]:
    stack = Stack(tmp_path, Ports.free(), extra={"BILLING_DATABASE_URL": database_url})
    try:
        stack.start()
        yield Running(stack)
    finally:
        stack.stop()


def test_a_crowd_gives_and_subscribes_at_once_and_every_penny_is_counted_once(
    crowded: Running, database_url: str
) -> None:
    crowded.deliveries("duplicate_shuffle")
    people = [partial(give, crowded, n) for n in range(GIVERS)]
    people += [partial(subscribe, crowded, n) for n in range(SUBSCRIBERS)]
    with ThreadPoolExecutor(8) as crowd:
        ends = list(crowd.map(lambda person: person(), people))
    assert [end for end in ends if not end.endswith("/thanks")] == []
    crowded.quiet()

    db = Database(database_url)
    wait_for(lambda: nothing_owed(db), "the worker to finish")
    with db.reading() as session:
        count = partial(select, func.count())
        assert session.scalar(count().select_from(Donation)) == GIVERS
        assert session.scalar(count().select_from(Subscription)) == SUBSCRIBERS
        assert session.scalar(count().select_from(OutboxMessage)) == GIVERS + SUBSCRIBERS
        assert session.scalar(count().select_from(JournalEntry)) == GIVERS + SUBSCRIBERS
        assert session.scalar(select(func.sum(Posting.amount))) == 0
        assert fund_total(session, "appeal-95") == GIVERS * 10_00
    db.close()


def give(running: Running, number: int) -> str:
    with Browser(address=f"198.18.1.{number}") as browser:
        page = browser.get(f"{running.stack.web}/appeals/95th-anniversary")
        paying = browser.submit(page, "/checkout/donation", amount="10.00")
        return browser.pay(paying, email=f"g{number}@example.org", name="A Giver").address


def subscribe(running: Running, number: int) -> str:
    with Browser(address=f"198.18.2.{number}") as browser:
        page = browser.get(f"{running.stack.web}/subscribe/digital-month-standard")
        paying = browser.submit(page, "/checkout/subscription")
        return browser.pay(paying, email=f"s{number}@example.org", name="A Reader").address


def nothing_owed(db: Database) -> bool:
    with db.reading() as session:
        owed = [
            session.scalar(select(func.count()).select_from(table).where(table.state != State.DONE))
            for table in (StripeEvent, OutboxMessage)
        ]
    return owed == [0, 0]
