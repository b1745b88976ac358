"""What every rule of a history is made with: the world, what has been told, what may fail."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition
from stripe import StripeError

from billing import checkout
from billing.errors import BillingError
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
MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
STEPS: Counter[str] = Counter()

picks = st.integers(min_value=0, max_value=7)
# Most of what may happen needs somebody who has paid, or has tried to.
once_somebody_paid = precondition(lambda history: history.paid)


class History(RuleBasedStateMachine):
    """One history, to which nothing happens yet."""

    world: ClassVar[World]
    checkouts: Bundle[checkout.Started] = Bundle("checkouts")

    @initialize(after_retries=st.integers(0, 2))
    def begin(self, after_retries: int) -> None:
        """Begin with an account that pays out daily, takes debits, and gives up in its own way."""
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
        STEPS["histories"] += 1

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
