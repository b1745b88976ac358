"""Histories nobody would write: readers, Stripe, the network and our own processes at their worst.

Hypothesis chooses what happens next. After every step what must never be broken is checked against
a model read from Stripe's side alone; at the end of a history, when the network is well again, one
pass of reconciliation must leave us with exactly what Stripe has.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from stripe import StripeError

from billing import checkout, payments, reconciliation, subscriptions
from billing.errors import BillingError
from billing.money import Money
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.reconciliation.verify import verify
from tests.chaos import model, ours
from tests.chaos.world import World
from webhooks import inbox, poll

CARDS = {
    "good": "4242424242424242",
    "declined": "4000000000000002",
    "no funds": "4000000000009995",
    "fails later": "4000000000000341",
    "is disputed": "4000000000000259",
    "refunds come back": "4000000000005126",
}
ACCOUNTS = {"pays": "00012345", "has no funds": "22222227", "mandate ends": "33333335"}
PRICES = ("digital-month-standard", "digital-month-concession", "digital-year-standard")
APPEALS = ("95th-anniversary", "fighting-fund")
MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
# What of Stripe's answers may go wrong, in the words of the local Stripe's list.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error", "status": 500},
    {"kind": "kept_error", "status": 500},
    {"kind": "rate_limited"},
    {"kind": "lock_timeout"},
    {"kind": "key_in_use"},
    {"kind": "dropped"},
    {"kind": "dropped", "after_effect": True},
    {"kind": "truncated"},
    {"kind": "html"},
)
STEPS: Counter[str] = Counter()

picks = st.integers(min_value=0, max_value=7)


class Histories(RuleBasedStateMachine):
    """One history."""

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
        self.justified: dict[str, int] = {}
        STEPS["histories"] += 1

    # ------------------------------------------------------------------------------- readers

    @rule(target=checkouts, price=st.sampled_from(PRICES), known=st.booleans(), pick=picks)
    def subscribes(self, price: str, known: bool, pick: int) -> Any:  # noqa: FBT001
        """Somebody begins to subscribe, sometimes a reader we have."""
        reader_id = self._some_reader(pick) if known else None
        with self._may_fail():
            return checkout.start_subscription(
                self.context, lookup_key=price, reader_id=reader_id, shown={}, caller=f"{pick}"
            )
        return multiple()

    @rule(target=checkouts, appeal=st.sampled_from(APPEALS), pounds=st.integers(2, 500))
    def gives(self, appeal: str, pounds: int) -> Any:
        """Somebody begins to give."""
        with self._may_fail():
            return checkout.start_donation(
                self.context,
                appeal=appeal,
                amount=Money(pounds * 100),
                reader_id=None,
                shown={},
                caller=f"{pounds}",
            )
        return multiple()

    @rule(started=checkouts, card=st.sampled_from(sorted(CARDS)))
    def pays(self, started: checkout.Started, card: str) -> None:
        """They fill in Stripe's page; a page that is no longer open refuses."""
        self.world.stripe.fill_in(started.url, CARDS[card], email=f"{started.checkout_id}@x.uk")

    @rule(started=checkouts, account=st.sampled_from(sorted(ACCOUNTS)))
    def pays_by_debit(self, started: checkout.Started, account: str) -> None:
        """They give a bank account, and the money takes its days or never comes."""
        self.world.stripe.fill_in(
            started.url, ACCOUNTS[account], email=f"{started.checkout_id}@x.uk", by="bacs_debit"
        )

    @rule(started=checkouts)
    def comes_back(self, started: checkout.Started) -> None:
        """They come back, perhaps again, perhaps without having paid."""
        with self._may_fail():
            checkout.settle_return(
                self.context,
                checkout_id=started.checkout_id,
                token=ours.token(self.context, started.checkout_id),
                browser=started.browser,
            )

    @rule(started=consumes(checkouts))
    def goes_away(self, started: checkout.Started) -> None:
        """They never come back."""

    @rule(pick=picks, keeps=st.booleans())
    def changes_their_mind(self, pick: int, keeps: bool) -> None:  # noqa: FBT001
        """A subscriber ends their subscription on the account page, or keeps it."""
        found = ours.subscriptions(self.context)
        if not found:
            return
        reader_id, subscription_id = found[pick % len(found)]
        verb = subscriptions.keep if keeps else subscriptions.cancel_at_period_end
        with self._may_fail():
            verb(self.context, reader_id=reader_id, subscription_id=subscription_id)

    # -------------------------------------------------------------------- what happens at Stripe

    @rule(seconds=st.sampled_from([MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 8 * DAY, 31 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.world.stripe.advance(seconds=seconds)

    @rule(pick=picks, at_once=st.booleans())
    def is_ended_in_the_dashboard(self, pick: int, at_once: bool) -> None:  # noqa: FBT001
        live = [s["id"] for s in self._stripe().subscriptions() if s["status"] != "canceled"]
        if live and at_once:
            self._at_stripe(lambda v1: v1.subscriptions.cancel(live[pick % len(live)]))
        elif live:
            moment = self._now() + 3 * DAY
            self._at_stripe(
                lambda v1: v1.subscriptions.update(live[pick % len(live)], {"cancel_at": moment})
            )

    @rule(pick=picks, share=st.integers(1, 4))
    def is_refunded(self, pick: int, share: int) -> None:
        """Staff give back a part, or all of what is left."""
        charges = [c for c in self._stripe()["charge"] if c["status"] == "succeeded"]
        if not charges:
            return
        charge = charges[pick % len(charges)]
        left = charge["amount"] - charge["amount_refunded"]
        if left:
            amount = max(1, left // share)
            self._at_stripe(
                lambda v1: v1.refunds.create({"charge": charge["id"], "amount": amount})
            )

    @rule(pick=picks, share=st.integers(1, 4))
    def is_refunded_by_us(self, pick: int, share: int) -> None:
        """The same, by our own command."""
        paid = ours.paid(self.context)
        if not paid:
            return
        intent, amount = paid[pick % len(paid)]
        with self._may_fail():
            payments.refund(
                self.context,
                intent,
                amount=Money(max(1, amount // share)),
                actor="chaos",
                reason="chaos",
            )

    @rule(pick=picks)
    def a_refund_comes_back(self, pick: int) -> None:
        refunds = [r["id"] for r in self._stripe()["refund"] if r["status"] != "failed"]
        if refunds:
            self.world.stripe.try_control(f"refunds/{refunds[pick % len(refunds)]}/fail")

    @rule(pick=picks, asks_first=st.booleans())
    def a_payer_disputes(self, pick: int, asks_first: bool) -> None:  # noqa: FBT001
        charges = [c for c in self._stripe()["charge"] if c["status"] == "succeeded"]
        if charges:
            status = "warning_needs_response" if asks_first else "needs_response"
            charge = charges[pick % len(charges)]["id"]
            self.world.stripe.try_control("disputes/open", charge=charge, status=status)

    @rule(pick=picks, status=st.sampled_from(["won", "lost", "warning_closed", "needs_response"]))
    def a_bank_decides(self, pick: int, status: str) -> None:
        disputes = [d["id"] for d in self._stripe()["dispute"]]
        if disputes:
            dispute = disputes[pick % len(disputes)]
            self.world.stripe.try_control(f"disputes/{dispute}/become", status=status)

    @rule(pick=picks)
    def a_payout_fails(self, pick: int) -> None:
        payouts = [p["id"] for p in self._stripe()["payout"]]
        if payouts:
            self.world.stripe.try_control(f"payouts/{payouts[pick % len(payouts)]}/fail")

    @rule(pick=picks)
    def a_customer_is_deleted(self, pick: int) -> None:
        customers = [c["id"] for c in self._stripe()["customer"]]
        if customers:
            self._at_stripe(lambda v1: v1.customers.delete(customers[pick % len(customers)]))

    @rule(pick=picks, pauses=st.booleans())
    def collection_is_paused(self, pick: int, pauses: bool) -> None:  # noqa: FBT001
        live = [s["id"] for s in self._stripe().subscriptions() if s["status"] != "canceled"]
        if live:
            how: Any = {"behavior": "void"} if pauses else ""
            target = live[pick % len(live)]
            self._at_stripe(lambda v1: v1.subscriptions.update(target, {"pause_collection": how}))

    @rule(pick=picks, verb=st.sampled_from(["pay", "void_invoice", "mark_uncollectible"]))
    def an_open_invoice_is_dealt_with(self, pick: int, verb: str) -> None:
        waiting = [i["id"] for i in self._stripe()["invoice"] if i["status"] == "open"]
        if waiting:
            self._at_stripe(lambda v1: getattr(v1.invoices, verb)(waiting[pick % len(waiting)]))

    @rule(pick=picks)
    def a_mandate_ends(self, pick: int) -> None:
        mandates = [m["id"] for m in self._stripe()["mandate"] if m["status"] == "active"]
        if mandates:
            mandate = mandates[pick % len(mandates)]
            self.world.stripe.try_control(f"mandates/{mandate}/cancel")

    @rule(pounds=st.integers(1, 50))
    def somebody_else_is_paid(self, pounds: int) -> None:
        """Another system takes money on the same account."""
        line = {
            "price_data": {
                "currency": "gbp",
                "unit_amount": pounds * 100,
                "product_data": {"name": "Mug"},
            },
            "quantity": 1,
        }
        params: Any = {"mode": "payment", "line_items": [line], "success_url": "https://x.uk/"}

        def pay(v1: Any) -> None:
            page = v1.checkout.sessions.create(params).url
            self.world.stripe.fill_in(page, CARDS["good"], email="mug@x.uk")

        self._at_stripe(pay)

    # ------------------------------------------------------------------------------- the network

    @rule(count=st.integers(1, 12), last_first=st.booleans(), twice=st.booleans())
    def webhooks_arrive(self, count: int, last_first: bool, twice: bool) -> None:  # noqa: FBT001
        """Some of what was said arrives, in some order, perhaps twice."""
        self._listen()
        chosen, self.unsent = self.unsent[:count], self.unsent[count:]
        chosen = chosen[::-1] if last_first else chosen
        answers = self.world.deliver([*chosen, *(chosen if twice else ())])
        assert set(answers) <= {200}
        self.sent += chosen

    @rule(count=st.integers(1, 12))
    def webhooks_are_lost(self, count: int) -> None:
        self._listen()
        del self.unsent[:count]

    @rule(pick=picks)
    def an_old_webhook_comes_again(self, pick: int) -> None:
        """An event of long ago, in the shape of an API version of long ago."""
        if self.sent:
            event = self.sent[pick % len(self.sent)]
            assert self.world.deliver([ours.in_old_shape(event)]) == [200]

    @rule(fault=st.sampled_from(FAULTS), method=st.sampled_from(["", "POST"]))
    def stripe_will_fail(self, fault: dict[str, Any], method: str) -> None:
        self.world.stripe.control("fail_next", method=method, **fault)

    # ------------------------------------------------------------------------------ our processes

    @rule(most=st.integers(1, 10))
    def the_worker_works(self, most: int) -> None:
        inbox.handle_due(self.context, most=most)

    @rule()
    def we_begin_anew(self) -> None:
        """The process ends and another begins."""
        self.world.restart()

    @rule()
    def the_polls_run(self) -> None:
        for work in (
            poll.poll_events,
            reconciliation.poll_unfinished,
            reconciliation.poll_balance_transactions,
            reconciliation.finish_commands,
        ):
            with self._may_fail():
                work(self.context)

    @rule(days=st.sampled_from([7, 35]))
    def the_sweep_runs(self, days: int) -> None:
        sweep(self.context, since=self.context.clock.now() - timedelta(days=days))

    # --------------------------------------------------------------------------------- always true

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
            ended = ours.ended(session)
            assert self.ended <= ended, "what had ended lives again"
            self.ended = ended
            for subscription, until in ours.held_until(session, now=now).items():
                assert until <= self.justified[subscription], "more access than Stripe ever said"
            assert ours.receipts(session) <= model.receipts(stripe)
            assert ours.told(session, "refund_made") <= model.refunds_told(stripe)
        assert max(ours.sessions_of_a_checkout(stripe).values(), default=1) == 1

    def teardown(self) -> None:
        """Let the network be well, and look once: then we have what Stripe has."""
        if not hasattr(self, "justified"):
            return
        self.world.stripe.control("fail_next/clear")
        self.world.stripe.advance(seconds=2 * HOUR)  # what was held back or put off is due
        ours.work_off(self.context)
        ours.reconcile(self.context)
        ours.agree(self.context, self._stripe(), self._now())
        verified = verify(self.context, since=BEGINNING)
        assert verified.exit_code == 0, verified.lines
        before = ours.digest(self.context)
        ours.reconcile(self.context)
        ours.same("a second look", ours.digest(self.context), before)

    # ------------------------------------------------------------------------------------ the rest

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

    def _some_reader(self, pick: int) -> UUID | None:
        readers = ours.readers(self.context)
        return readers[pick % len(readers)] if readers else None
