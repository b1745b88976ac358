"""Histories nobody would write: readers, Stripe, the network and our own processes at their worst.

Hypothesis chooses what happens next, of the rules in `tests.chaos.rules`. After every step what
must never be broken is checked against a model read from Stripe's side alone; at the end of a
history, when the network is well again, one pass of reconciliation must leave us with exactly what
Stripe has.
"""

from hypothesis.stateful import invariant

from billing.reconciliation import finish_commands
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.verify import verify
from tests.chaos import model, ours
from tests.chaos.rules.at_stripe import AtStripe
from tests.chaos.rules.history import HOUR, MINUTE, STEPS
from tests.chaos.rules.network import Network
from tests.chaos.rules.readers import Readers

__all__ = ["STEPS", "Histories"]


class Histories(Readers, AtStripe, Network):
    """One history, with all that may happen in it."""

    @invariant()
    def what_is_never_broken(self) -> None:
        STEPS["steps"] += 1
        stripe, now = self._stripe(), self._now()
        for doc in stripe.subscriptions():
            until = model.reads_until(stripe, doc)
            self.justified[doc["id"]] = max(until, self.justified.get(doc["id"], 0))
        with self.context.db.reading() as session:
            assert ours.unbalanced(session) == []
            booked = ours.booked(session)
            moved = model.movements(stripe)
            ours.same("booked", booked, {key: moved.get(key) for key in booked})
            tied, carried = ours.residuals(session), model.residuals(stripe)
            ours.same("residuals", tied, {key: carried.get(key) for key in tied})
            assert ours.told_twice(session) == [], "a fact was told twice"
            ended = ours.ended(session)
            assert self.ended <= ended, "what had ended lives again"
            self.ended = ended
            for subscription, until in ours.held_until(session, now=now).items():
                assert until <= self.justified[subscription], "more access than Stripe ever said"
            assert ours.receipts(session) <= model.receipts(stripe)
            assert ours.refunds_told(session) <= model.refunds_to_tell(stripe)[1]
        assert max(ours.sessions_of_a_checkout(stripe).values(), default=1) == 1

    def _has_just_said_something(self) -> bool:
        newest = max((event["created"] for event in self._stripe()["event"]), default=0)
        return self._now() - newest < 3 * MINUTE

    def teardown(self) -> None:
        """Let the network be well, and look once: then we have what Stripe has."""
        if not hasattr(self, "justified"):
            return
        self.world.stripe.control("fail_next/clear")
        self.world.stripe.advance(seconds=2 * HOUR)  # what was held back or put off is due
        finish_commands(self.context)
        while self._has_just_said_something():  # that would be left to its webhook
            self.world.stripe.advance(seconds=5 * MINUTE)
        if self.heard:
            self._listen()
            self.world.deliver(self.unsent)
        ours.work_off(self.context)
        ours.reconcile(self.context)
        ours.agree(self.context, self._stripe(), self._now())
        if not self.compared:
            return
        verified = verify(self.context, since=BEGINNING)
        assert verified.exit_code == 0, verified.lines
        before = ours.digest(self.context)
        ours.reconcile(self.context)
        ours.same("a second look", ours.digest(self.context), before)
