"""The demonstration month: readers subscribe and give while the local Stripe's clock runs to today.

Everybody comes in by our public pages; what somebody does at Stripe's dashboard goes through the
official SDK. The same seed plays the same month. An interrupted month goes on from its day.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from stripe import StripeClient, StripeError

from demo import dashboard
from demo.browser import DECLINED_CARD, GOOD_CARD, Browser, Page
from demo.people import Person, people

DAYS: Final = 34  # so that those of the first days have been renewed
_DAY: Final = 24 * 3600
_AT_ONCE: Final = 2
_DELIVERIES: Final = 60  # seconds they may take on a busy machine
_COURTESY: Final = 180  # seconds the clock waits for a person who has a payment page open
_FAILS_ON_RENEWAL: Final = "4000000000000341"
_IS_DISPUTED: Final = "4000000000000259"
_SUBSCRIBERS: Final = 60
_GIFTS: Final = 120
_DISPUTED: Final = {13, 43}  # of them; unanswered, a dispute is lost after nine days
_PRICES: Final = {
    "digital-month-standard": 28,
    "digital-month-concession": 12,
    "digital-month-solidarity": 9,
    "digital-year-standard": 7,
    "digital-year-solidarity": 4,
}
_AMOUNTS: Final = {"5": 20, "10": 30, "20": 20, "25": 18, "50": 8, "95": 6, "7.50": 3, "150": 1}


@dataclass
class Month:
    """One month being played.

    Attributes:
        done: how often each thing has happened, in words for the progress line.
    """

    web: str
    stripe: str
    client: StripeClient
    done: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    left_open: set[str] = field(default_factory=set)

    def play(self, plan: dict[int, list[Callable[["Month"], None]]], *, first_day: int) -> None:
        """Play every day that is left, moving the clock to the next after each."""
        if first_day == 0:
            self.control("settings", payouts=1)
        for day in range(first_day, DAYS):
            with ThreadPoolExecutor(_AT_ONCE) as crowd:
                list(crowd.map(self._try, plan.get(day, [])))
            # A day that ends before its webhooks have come would make them look missed.
            self.control("deliveries/wait", timeout=_DELIVERIES)
            self._wait_for_people()
            self.control("advance", to=int(time.time()) - (DAYS - 1 - day) * _DAY)
            self._say(day)

    def control(self, path: str, **what: int) -> dict[str, Any]:
        """Ask something of the local Stripe that the real one has no word for."""
        answer = httpx2.post(f"{self.stripe}/_sandbox/{path}", json=what, timeout=300)
        answer.raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    def _try(self, action: Callable[["Month"], None]) -> None:
        try:
            action(self)
        except (httpx2.HTTPError, LookupError, StripeError, ValueError) as problem:
            self.problems.append(f"{type(problem).__name__}: {problem}")

    def _wait_for_people(self) -> None:
        """Let the clock stand while somebody else has a payment page open: it would expire."""
        deadline = time.monotonic() + _COURTESY
        while time.monotonic() < deadline:
            open_now = self.client.v1.checkout.sessions.list({"status": "open", "limit": 100})
            if {session.id for session in open_now.data} <= self.left_open:
                return
            time.sleep(1)

    def _say(self, day: int) -> None:
        shown = datetime.fromtimestamp(time.time() - (DAYS - 1 - day) * _DAY, UTC)
        bar = "█" * (day + 1) + "░" * (DAYS - 1 - day)
        done = f"{self.done['readers']} readers, {self.done['gifts']} gifts"
        line = f"  The month so far {bar} {shown:%d %b}, {done}"
        if sys.stdout.isatty():
            print(f"\r{line}", end="" if day < DAYS - 1 else "\n", flush=True)
        elif day % 5 == 0 or day == DAYS - 1:
            print(line, flush=True)


def subscribe(month: Month, *, who: Person, price: str, card: str, leaves: bool) -> None:
    """Subscribe as one reader, and for some, decide otherwise at once."""
    with Browser(address=who.address) as browser:
        facts = browser.get(f"{month.web}/subscribe/{price}")
        paying = browser.submit(facts, "/checkout/subscription")
        thanks = browser.pay(
            paying, email=who.email, name=who.name, card=card, postal_code=who.postcode
        )
        _expect_thanks(thanks)
        month.done["readers"] += 1
        if leaves:
            account = browser.get(f"{month.web}/account")
            cancel = next(f.action for f in account.forms if f.action.endswith("/cancel"))
            browser.submit(account, urlsplit(cancel).path)
            month.done["cancelled"] += 1


def give(month: Month, *, who: Person, appeal: str, amount: str, fate: str) -> None:
    """Give to an appeal: paid, on the second card even, left at the till, given or taken back."""
    with Browser(address=who.address) as browser:
        page = browser.get(f"{month.web}/appeals/{appeal}")
        paying = browser.submit(page, "/checkout/donation", amount="other", other=amount)
        session_id = urlsplit(paying.address).path.rpartition("/")[2]
        if fate in {"declined", "abandoned"}:
            paying = browser.pay(paying, email=who.email, name=who.name, card=DECLINED_CARD)
            month.done["declined"] += 1
        if fate == "abandoned":
            month.left_open.add(session_id)
            return
        card = _IS_DISPUTED if fate == "disputed" else GOOD_CARD
        thanks = browser.pay(
            paying, email=who.email, name=who.name, card=card, postal_code=who.postcode
        )
        _expect_thanks(thanks)
        month.done["gifts"] += 1
        month.done["disputes"] += fate == "disputed"
    if fate == "refunded":
        paid = month.client.v1.checkout.sessions.retrieve(session_id)
        dashboard.refund(month.client, str(paid.payment_intent))
        month.done["refunds"] += 1


def refund_a_subscriber(month: Month) -> None:
    """Give the first invoice of some reader back, as somebody at the dashboard would."""
    invoice = month.client.v1.invoices.list({"status": "paid", "limit": 10}).data[-1]
    paid = month.client.v1.invoice_payments.list({"invoice": str(invoice.id)}).data[0]
    dashboard.refund(month.client, str(paid.payment.payment_intent))
    month.done["refunds"] += 1


def write_plan(seed: int) -> dict[int, list[Callable[[Month], None]]]:
    """Decide who does what on which day; the same seed decides the same."""
    dice = random.Random(seed)  # noqa: S311  # a story, not a secret
    crowd = people(dice)
    plan: dict[int, list[Callable[[Month], None]]] = {day: [] for day in range(DAYS)}
    for number in range(_SUBSCRIBERS):
        # Those of the first day are renewed, or not, before the month is over.
        day = 0 if number < 12 else min(int(dice.triangular(0, DAYS, 4)), DAYS - 1)  # noqa: PLR2004
        price = "digital-month-standard" if day == 0 else _pick(dice, _PRICES)
        card = _FAILS_ON_RENEWAL if number in {3, 7} else "4242424242424242"
        leaves = number in {5, 21, 34, 48, 55}
        plan[day].append(partial(subscribe, who=next(crowd), price=price, card=card, leaves=leaves))
    for number in range(_GIFTS):
        fates = {4: "abandoned", 9: "declined", 17: "refunded"}
        fate = "disputed" if number in _DISPUTED else fates.get(number % 30, "paid")
        plan[dice.randrange(DAYS)].append(
            partial(
                give,
                who=next(crowd),
                appeal=_pick(dice, {"95th-anniversary": 7, "fighting-fund": 5}),
                amount=_pick(dice, _AMOUNTS),
                fate=fate,
            )
        )
    plan[20].append(refund_a_subscriber)
    return plan


def main() -> int:
    """Play what is left of the month; nothing, if time has arrived at today."""
    parser = argparse.ArgumentParser(prog="python -m demo.month")
    parser.add_argument("--web", default="http://localhost:8000")
    parser.add_argument("--stripe", default="http://localhost:8420")
    options = parser.parse_args()
    month = Month(options.web, options.stripe, dashboard.open_dashboard(options.stripe))
    behind = -int(httpx2.get(f"{month.stripe}/_sandbox/state", timeout=30).json()["offset"])
    days_left = round(behind / _DAY)  # it may come to rest a second or two behind
    if days_left <= 0:
        return 0
    print("  A demonstration month is being played; a day passes every few seconds meanwhile.",
          "Look around: the pages work.", flush=True)  # fmt: skip
    month.play(write_plan(seed=1930), first_day=max(0, DAYS - days_left))
    print("  The month is over:", ", ".join(f"{n} {what}" for what, n in month.done.items()))
    if month.problems:
        print(f"  {len(month.problems)} things did not work; the first: {month.problems[0]}")
    return 1 if month.problems else 0


def _expect_thanks(page: Page) -> None:
    if not urlsplit(page.address).path.endswith("/thanks"):
        raise ValueError(f"no thanks at {page.address} ({page.status}): {page.words[:200]}")


def _pick(dice: random.Random, weighted: dict[str, int]) -> str:
    return dice.choices(list(weighted), list(weighted.values()))[0]


if __name__ == "__main__":
    sys.exit(main())
