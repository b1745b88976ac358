"""The reader's journey, step by step over HTTP: every step says what it saw, as evidence."""

import csv
import html
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx2

from demo import articles, dashboard
from demo.articles import Article
from demo.browser import Browser, Page
from demo.stack import OFFICER, Stack

_PATIENCE: Final = 120.0  # seconds; after a month of events the worker may have much in hand
_APPEAL: Final = "95th-anniversary"


class Journey:
    """One reader's journey; a step that sees otherwise than it should raises."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.stripe = dashboard.open_dashboard(stack.stripe)
        stamp = f"{datetime.now(UTC):%H%M%S}"
        self.subscriber, self.giver = f"reader.{stamp}@example.org", f"giver.{stamp}@example.org"
        self.browser = Browser(address="198.18.200.1")
        self.articles = [a for a in articles.load().articles if a.metered]
        self.walled = self.articles[0]
        self.session_id = ""

    def steps(self) -> dict[str, Callable[[], Iterator[str]]]:
        """Return the journey, in order."""
        return {
            "The front page": self.front_page,
            "Articles, read to the limit": self.read_to_the_limit,
            "The wall": self.meet_the_wall,
            "Subscribing": self.subscribe,
            "Stripe's event, stored and handled": self.event_handled,
            "The right to read": self.read_on,
            "The mail": self.mail,
            "A gift to the appeal": self.give,
            "The office": self.office,
        }

    def front_page(self) -> Iterator[str]:
        """Find the support page, the appeal, the shop, and articles to read."""
        page = self.browser.get(self.stack.paper)
        for wanted in ("Support the Morning Star", "95th Anniversary Appeal", "Morning Star Shop"):
            _expect(wanted in page.words, f"the front page does not name {wanted!r}")
        yield f"{self.stack.paper} names support, the appeal and the shop"

    def read_to_the_limit(self) -> Iterator[str]:
        """Read until the wall."""
        for article in self.articles:
            if self._is_walled(article):
                self.walled = article
                return
            yield f"read “{article.headline}”"
        raise AssertionError("no wall after every article of the paper")

    def meet_the_wall(self) -> Iterator[str]:
        """Ask the check what it told the newspaper."""
        answer = self._check()
        _expect(answer["access"] == "denied", f"the check says {answer}")
        yield f"“{self.walled.headline}” is behind the wall; the check answers:"
        yield from (f"  {key}: {value}" for key, value in answer.items() if key != "links")

    def subscribe(self) -> Iterator[str]:
        """Subscribe, pay, and come back."""
        facts = self.browser.get(f"{self.stack.web}/subscribe/digital-month-standard")
        paying = self.browser.submit(facts, "/checkout/subscription")
        self.session_id = urlsplit(paying.address).path.rpartition("/")[2]
        yield f"Stripe's page: {paying.address[:60]}…"
        thanks = self.browser.pay(paying, email=self.subscriber, name="Rosa Demonstration")
        _expect(thanks.address.endswith("/thanks"), f"came back to {thanks.address}")
        yield f"back at {thanks.address}"

    def event_handled(self) -> Iterator[str]:
        """See that the webhook arrived too, and that the worker handled it."""
        events = self.stripe.v1.events.list({"type": "checkout.session.completed", "limit": 20})
        event = next(e for e in events.data if e.data.object["id"] == self.session_id)

        def handled() -> str | None:
            said = self.stack.billing("event", event.id).strip()
            return said if ": done" in said else None

        yield str(_await(handled, "the worker has not handled the event"))

    def read_on(self) -> Iterator[str]:
        """Read what was behind the wall."""
        account = self.browser.get(f"{self.stack.web}/account")
        _expect("You can read everything" in account.words, account.words[:300])
        answer = self._check()
        _expect(answer["access"] == "granted", f"the check says {answer}")
        _expect(not self._is_walled(self.walled), "the article is still behind the wall")
        yield "the account page says: You can read everything"
        yield f"the check answers granted, {answer['reason']}, until {answer['valid_until']}"

    def mail(self) -> Iterator[str]:
        """Find the receipt in the mailbox."""
        yield self._mail_to(self.subscriber, "subscription")

    def give(self) -> Iterator[str]:
        """Give £25, signed out, and see the thermometer move."""
        page_address = f"{self.stack.web}/appeals/{_APPEAL}"
        with Browser(address="198.18.200.2") as browser:
            page = browser.get(page_address)
            before = _raised(page)
            paying = browser.submit(page, "/checkout/donation", amount="25.00")
            thanks = browser.pay(paying, email=self.giver, name="Gus Demonstration")
            _expect(thanks.address.endswith("/thanks"), f"came back to {thanks.address}")
            after = _raised(browser.get(page_address))
        _expect(after >= before + 25, f"the thermometer went from £{before} to £{after}")
        yield f"the thermometer went from £{before:,} to £{after:,}"
        yield self._mail_to(self.giver, "gift")

    def office(self) -> Iterator[str]:
        """Sign in to the office, and hold both exports against the ledger."""
        link = self.stack.billing("staff", "link", OFFICER).split()[-1]
        with Browser() as browser:
            opened = browser.get(link)
            inside = browser.submit(opened, urlsplit(link).path)
            _expect(inside.status == 200, f"the office answered {inside.status}")  # noqa: PLR2004
            yield f"signed in at {inside.address}"
            month = f"{self._now():%Y-%m}"
            payments, balances = (
                self._export(browser, name, month) for name in ("payments", "trial-balance")
            )
        for rows in (payments, balances):
            _expect(rows[-1][1] == "agrees with the ledger", f"the file ends with {rows[-1]}")
        moved = {row[0]: Decimal(row[5]) + Decimal(row[6]) for row in balances if row[0].isdigit()}
        compared = 0
        for what, _currency, here, ledger, *_ in _controls(payments):
            account = what.split()[0]
            if account.startswith("4"):
                _expect(Decimal(here) == -moved[account], f"{what}: {here}, {moved[account]}")
                yield f"{what}: £{here} in the payments file, the trial balance and the ledger"
                compared += 1
            _expect(here == ledger, f"{what}: {here} here, {ledger} in the ledger")
        _expect(compared > 1, "the exports have no income in common")
        yield "every control total of both files agrees with the ledger"

    def _export(self, browser: Browser, name: str, month: str) -> list[list[str]]:
        address = f"{self.stack.web}/office/exports/{name}.csv"
        text = browser.get(address, month=month).html.removeprefix("\ufeff")
        return [row for row in csv.reader(text.splitlines()) if row]

    def _check(self) -> dict[str, Any]:
        address = f"{self.stack.web}/paywall/v1/check"
        answer: dict[str, Any] = self.browser.get(address, article=self.walled.id).json()
        return answer

    def _is_walled(self, article: Article) -> bool:
        page = self.browser.get(f"{self.stack.paper}/article/{article.slug}")
        _expect(article.headline in html.unescape(page.html), f"no headline at {page.address}")
        return 'class="wall' in page.html

    def _mail_to(self, address: str, about: str) -> str:
        def arrived() -> str | None:
            mails = self.browser.get(f"{self.stack.paper}/mailbox.json", to=address).json()
            return next((f"“{m['subject']}” for {address}" for m in mails if m["text"]), None)

        return str(_await(arrived, f"no mail about the {about} for {address}"))

    def _now(self) -> datetime:
        state = httpx2.get(f"{self.stack.stripe}/_sandbox/state", timeout=30).json()
        return datetime.fromtimestamp(int(state["now"]), ZoneInfo("Europe/London"))


def _await(look: Callable[[], str | None], otherwise: str) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(otherwise)


def _expect(true: bool, otherwise: str) -> None:  # noqa: FBT001  # reads as an assertion
    if not true:
        raise AssertionError(otherwise)


def _raised(page: Page) -> int:
    found = re.search(r"£([\d,]+)(?:\.\d\d)? raised", page.words)
    _expect(found is not None, f"no thermometer at {page.address}")
    return int(found.group(1).replace(",", "")) if found else 0


def _controls(rows: list[list[str]]) -> list[list[str]]:
    begins = next(number for number, row in enumerate(rows) if row[0] == "Control")
    return rows[begins + 1 : -1]
