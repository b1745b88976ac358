"""What every rule of a history is made with: the world, what has been told, what may fail."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, precondition
from stripe import StripeError

from billing import checkout
from billing.errors import BillingError
from billing.money import Money
from tests.chaos import model, ours
from tests.chaos.world import World

CARDS = {
    "good": "4242424242424242",
    "declined": "4000000000000002",
    "no funds": "4000000000009995",
    "fails later": "4000000000000341",
    "is disputed": "4000000000000259",
    "refunds come back": "4000000000005126",
}
ACCOUNTS = {"pays": "00012345", "has no funds": "22222227", "mandate ends": "33333335"}
APPEALS = ("95th-anniversary", "fighting-fund")
PRICES = ("digital-month-standard", "digital-month-concession", "digital-year-standard")
MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
STEPS: Counter[str] = Counter()


class Opening(NamedTuple):
    """Somebody with whom a history begins: a price, '' for a gift, and what they pay from."""

    price: str
    number: str


MONTHLY, _, YEARLY = PRICES
OPENINGS = (
    Opening(MONTHLY, CARDS["good"]),
    Opening(MONTHLY, CARDS["fails later"]),
    Opening(MONTHLY, CARDS["refunds come back"]),
    Opening(MONTHLY, ACCOUNTS["pays"]),
    Opening(MONTHLY, ACCOUNTS["mandate ends"]),
    Opening(YEARLY, CARDS["good"]),
    Opening(YEARLY, CARDS["is disputed"]),
    Opening("", CARDS["good"]),
    Opening("", ACCOUNTS["has no funds"]),
)
picks = st.integers(min_value=0, max_value=7)
# Most of what may happen needs somebody who has paid, or has tried to.
once_somebody_paid = precondition(lambda history: history.paid)


class History(RuleBasedStateMachine):
    """One history, to which nothing happens yet."""

    world: ClassVar[World]
    checkouts: Bundle[checkout.Started] = Bundle("checkouts")

    @initialize(
        target=checkouts,
        after_retries=st.integers(0, 2),
        opening=st.lists(st.sampled_from(OPENINGS), min_size=1, max_size=2),
        later=st.sampled_from([0, 0, HOUR, 8 * DAY, 32 * DAY]),
        heard=st.booleans(),
        compared=st.sampled_from([True, False, False]),
    )
    def begin(
        self,
        after_retries: int,
        opening: list[Opening],
        later: int,
        heard: bool,  # noqa: FBT001
        compared: bool,  # noqa: FBT001
    ) -> Any:
        """Begin a while after a few have been to Stripe's page, and we have not heard of them yet.

        The account pays out daily, takes debits, and gives up in its own way. What is still to be
        delivered at the end arrives then where a history is `heard`, and nowhere else. A `compared`
        one ends in a second look and a verification, which are half of what a history costs.
        """
        self.world.begin()
        ours.have_walked_once(self.context)
        settings = {"after_retries": after_retries, "payouts": 1, "bacs_debit": 1}
        self.world.stripe.control("settings", **settings)
        self.seen: set[str] = set()  # events Stripe has made, as far as we have looked
        self.unsent: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.ended: set[str] = set()
        self.paid = False
        self.justified: dict[str, int] = {}
        self.heard, self.compared = heard, compared
        STEPS["histories"] += 1
        started = [self._has_been(who) for who in opening]
        self.world.stripe.advance(seconds=later)
        return multiple(*started)

    def _has_been(self, who: Opening) -> checkout.Started:
        """Let somebody begin, and fill in Stripe's page."""
        email = f"{uuid4()}@x.uk"
        asked: Any = {"reader_id": None, "shown": {}, "caller": email}
        started = (
            checkout.start_subscription(self.context, lookup_key=who.price, **asked)
            if who.price
            else checkout.start_donation(
                self.context, appeal=APPEALS[0], amount=Money(25_00), **asked
            )
        )
        by = "bacs_debit" if who.number in ACCOUNTS.values() else "card"
        self.world.stripe.fill_in(started.url, who.number, email=email, by=by)
        self.paid = True
        return started

    @property
    def context(self) -> Any:
        return self.world.context

    @contextmanager
    def _may_fail(self) -> Iterator[None]:
        """Let a door say no, or say that Stripe did not answer: in its own words, and no others."""
        try:
            yield
        except BillingError as refused:
            STEPS[type(refused).__name__] += 1

    def _at_stripe(self, act: Callable[[Any], object]) -> None:
        """Do something at Stripe as its dashboard would; what it refuses does not happen."""
        try:
            act(self.world.stripe.client.v1)
        except StripeError as refused:
            STEPS[type(refused).__name__] += 1

    def _stripe(self) -> model.Stripe:
        return model.Stripe.reading(self.world.objects())

    def _now(self) -> int:
        return int(self.context.clock.now().timestamp())

    def _listen(self) -> None:
        """Put what Stripe has said meanwhile with what is still to be delivered."""
        for event in self._stripe()["event"]:
            if event["id"] not in self.seen:
                self.seen.add(event["id"])
                self.unsent.append(event)

    def _live(self) -> list[str]:
        """Return the subscriptions that were bought from us and have not ended."""
        return [s["id"] for s in self._stripe().subscriptions() if s["status"] != "canceled"]

    def _some_reader(self, pick: int) -> UUID | None:
        readers = ours.readers(self.context)
        return readers[pick % len(readers)] if readers else None
