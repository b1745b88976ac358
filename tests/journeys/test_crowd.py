"""Many people at once, through the front door, on both databases."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from sqlalchemy import func, select
from stripe import StripeClient

from billing.books.ledger import account_balance
from billing.books.totals import fund_total
from billing.db import Database
from billing.models import Donation, JournalEntry, OutboxMessage, Posting, StripeEvent, Subscription
from billing.models import OwedState as State
from demo.browser import Browser
from tests.journeys.conftest import Running, fill_in, run_somewhere, wait_for

pytestmark = pytest.mark.slow
GIVERS, SUBSCRIBERS = 10, 6


@pytest.fixture
def crowded(database_url: str, tmp_path: Path) -> Iterator[Running]:
    with run_somewhere(tmp_path, extra={"BILLING_DATABASE_URL": database_url}) as somewhere:
        yield somewhere


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

    expect_each_once(crowded, database_url, givers=GIVERS, subscribers=SUBSCRIBERS)


@pytest.mark.browser
@pytest.mark.xdist_group("journeys")
def test_several_real_browsers_pay_at_the_same_moment(
    crowded: Running, chromium: Chromium, database_url: str
) -> None:
    crowded.deliveries("duplicate_shuffle")
    windows = [chromium.new_context().new_page() for _ in range(6)]
    for number, window in enumerate(windows):
        if number % 2:
            window.goto(f"{crowded.stack.web}/subscribe/digital-month-standard")
            window.get_by_role("button", name="Subscribe and pay").click()
        else:
            window.goto(f"{crowded.stack.web}/appeals/95th-anniversary")
            window.locator(".tile", has_text="£10").click()
            window.get_by_role("button", name="Give this amount").click()
        fill_in(window, f"window{number}@example.org")

    for window in windows:
        window.locator("form button").click(no_wait_after=True)
    for window in windows:
        window.wait_for_url(re.compile("/thanks"))
        window.context.close()

    crowded.quiet()
    expect_each_once(crowded, database_url, givers=3, subscribers=3)


def expect_each_once(running: Running, url: str, *, givers: int, subscribers: int) -> None:
    """Look for one gift, right, mail and entry for each person, and for Stripe's own balance."""
    stripe = StripeClient("sk_test_crowd", base_addresses={"api": running.stack.stripe})
    balance = stripe.v1.balance.retrieve()
    held = sum(part.amount for part in balance.available) + sum(p.amount for p in balance.pending)
    db = Database(url)
    wait_for(lambda: nothing_owed(db), "the worker to finish")
    with db.reading() as session:
        count = partial(select, func.count())
        assert session.scalar(count().select_from(Donation)) == givers
        assert session.scalar(count().select_from(Subscription)) == subscribers
        assert session.scalar(count().select_from(OutboxMessage)) == givers + subscribers
        assert session.scalar(count().select_from(JournalEntry)) == givers + subscribers
        assert session.scalar(select(func.sum(Posting.amount))) == 0
        assert fund_total(session, "appeal-95") == givers * 10_00
        assert account_balance(session, "1240") == held
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
