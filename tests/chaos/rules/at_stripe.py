"""What happens at Stripe without us: time, its dashboard, banks, and somebody else's shop."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing import payments
from billing.money import Money
from tests.chaos import ours
from tests.chaos.rules.history import (
    CARDS,
    DAY,
    HOUR,
    MINUTE,
    STEPS,
    History,
    once_somebody_paid,
    picks,
)

PRORATION = ("create_prorations", "always_invoice", "none")
# How a dispute begins, and where it may go on to: as far as it gets from where it stands.
# Source: https://docs.stripe.com/disputes/how-disputes-work
BEGINNINGS = ("needs_response", "warning_needs_response", "prevented")
APPEALED = ("lost", "appeal_needs_response", "appeal_under_review")
WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("won",),
    ("lost",),
    ("warning_closed",),
    ("prevented",),
    ("needs_response",),
    ("warning_under_review",),
    ("under_review",),
    ("appeal_needs_response", "lost"),
    APPEALED[:2],
    APPEALED,
    (*APPEALED, "won"),
    (*APPEALED, "lost"),
)


class AtStripe(History):
    """Stripe, and whoever acts there."""

    @rule(seconds=st.sampled_from([MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 8 * DAY, 31 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.world.stripe.advance(seconds=seconds)

    @once_somebody_paid
    @rule(pick=picks, at_once=st.booleans())
    def is_ended_in_the_dashboard(self, pick: int, at_once: bool) -> None:  # noqa: FBT001
        live = self._live()
        if live and at_once:
            self._at_stripe(lambda v1: v1.subscriptions.cancel(live[pick % len(live)]))
        elif live:
            moment = self._now() + 3 * DAY
            self._at_stripe(
                lambda v1: v1.subscriptions.update(live[pick % len(live)], {"cancel_at": moment})
            )

    @once_somebody_paid
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

    @once_somebody_paid
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

    @once_somebody_paid
    @rule(pick=picks)
    def a_refund_comes_back(self, pick: int) -> None:
        refunds = [r["id"] for r in self._stripe()["refund"] if r["status"] != "failed"]
        if refunds:
            self.world.stripe.try_control(f"refunds/{refunds[pick % len(refunds)]}/fail")

    @once_somebody_paid
    @rule(pick=picks, begins=st.sampled_from(BEGINNINGS), way=st.sampled_from(WAYS))
    def a_payer_disputes(self, pick: int, begins: str, way: tuple[str, ...]) -> None:
        charges = [c["id"] for c in self._stripe()["charge"] if c["status"] == "succeeded"]
        if not charges:
            return
        asked = {"charge": charges[pick % len(charges)], "status": begins}
        if self.world.stripe.try_control("disputes/open", **asked):
            self._goes_on(self._stripe()["dispute"][-1], way)

    @once_somebody_paid
    @rule(pick=picks, way=st.sampled_from(WAYS[1:]))
    def a_bank_decides(self, pick: int, way: tuple[str, ...]) -> None:
        disputes = self._stripe()["dispute"]
        if disputes:
            self._goes_on(disputes[pick % len(disputes)], way)

    def _goes_on(self, dispute: dict[str, Any], way: tuple[str, ...]) -> None:
        for status in way:
            became = f"disputes/{dispute['id']}/become"
            STEPS[f"became {status}"] += self.world.stripe.try_control(became, status=status)

    @once_somebody_paid
    @rule(pick=picks)
    def a_payout_fails(self, pick: int) -> None:
        payouts = [p["id"] for p in self._stripe()["payout"]]
        if payouts:
            self.world.stripe.try_control(f"payouts/{payouts[pick % len(payouts)]}/fail")

    @once_somebody_paid
    @rule(pick=picks)
    def a_customer_is_deleted(self, pick: int) -> None:
        customers = [c["id"] for c in self._stripe()["customer"]]
        if customers:
            self._at_stripe(lambda v1: v1.customers.delete(customers[pick % len(customers)]))

    @once_somebody_paid
    @rule(
        pick=picks, behaviour=st.sampled_from(["", "void", "keep_as_draft", "mark_uncollectible"])
    )
    def collection_is_paused(self, pick: int, behaviour: str) -> None:
        """Staff have nothing collected for a while, or collect again."""
        live = self._live()
        if live:
            how: Any = {"behavior": behaviour} if behaviour else ""
            target = live[pick % len(live)]
            self._at_stripe(lambda v1: v1.subscriptions.update(target, {"pause_collection": how}))

    @once_somebody_paid
    @rule(pick=picks, verb=st.sampled_from(["pay", "cheque", "void_invoice", "mark_uncollectible"]))
    def an_open_invoice_is_dealt_with(self, pick: int, verb: str) -> None:
        waiting = [i["id"] for i in self._stripe()["invoice"] if i["status"] == "open"]
        if not waiting:
            return
        bill, by_cheque = waiting[pick % len(waiting)], verb == "cheque"
        how: Any = {"paid_out_of_band": True} if by_cheque else {}
        verb = "pay" if by_cheque else verb
        self._at_stripe(lambda v1: getattr(v1.invoices, verb)(bill, how))

    @once_somebody_paid
    @rule(pick=picks, pounds=st.integers(1, 9))
    def something_is_added_to_the_bill(self, pick: int, pounds: int) -> None:
        """Staff put something else on a customer's next invoice."""
        customers = [doc["id"] for doc in self._stripe()["customer"]]
        if customers:
            added: Any = {"amount": pounds * 100, "currency": "gbp", "description": "A mug"}
            added["customer"] = customers[pick % len(customers)]
            self._at_stripe(lambda v1: v1.invoice_items.create(added))

    @once_somebody_paid
    @rule(pick=picks, how=st.sampled_from(PRORATION), quantity=st.integers(1, 3))
    def more_of_the_same_is_ordered(self, pick: int, how: str, quantity: int) -> None:
        """Staff change how many a subscriber has, in mid-period."""
        live = [doc for doc in self._stripe().subscriptions() if doc["status"] != "canceled"]
        if live:
            subscription = live[pick % len(live)]
            item = {"id": subscription["items"]["data"][0]["id"], "quantity": quantity}
            changed: Any = {"items": [item], "proration_behavior": how}
            self._at_stripe(lambda v1: v1.subscriptions.update(subscription["id"], changed))

    @once_somebody_paid
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

    @once_somebody_paid
    @rule(pick=picks, other=picks, how=st.sampled_from(PRORATION))
    def a_price_is_swapped(self, pick: int, other: int, how: str) -> None:
        """Staff move a subscriber to another of our prices in the dashboard."""
        stripe = self._stripe()
        live = [doc for doc in stripe.subscriptions() if doc["status"] != "canceled"]
        prices = [doc["id"] for doc in stripe["price"] if doc["recurring"]]
        if live:
            subscription = live[pick % len(live)]
            item = {
                "id": subscription["items"]["data"][0]["id"],
                "price": prices[other % len(prices)],
            }
            changed: Any = {"items": [item], "proration_behavior": how}
            self._at_stripe(lambda v1: v1.subscriptions.update(subscription["id"], changed))

    @rule(pick=picks, active=st.booleans())
    def a_price_is_archived(self, pick: int, active: bool) -> None:  # noqa: FBT001
        """Somebody archives a price in the dashboard, or brings it back."""
        prices = [doc["id"] for doc in self._stripe()["price"] if doc["recurring"]]
        target = prices[pick % len(prices)]
        self._at_stripe(lambda v1: v1.prices.update(target, {"active": active}))

    @once_somebody_paid
    @rule(pick=picks, pauses=st.booleans())
    def a_subscription_is_paused(self, pick: int, pauses: bool) -> None:  # noqa: FBT001
        """The newer pause: the subscription itself stops, and is resumed with a new period."""
        live = self._live()
        if live and pauses:
            target = live[pick % len(live)]
            self._at_stripe(lambda v1: v1.subscriptions.pause(target, {"type": "subscription"}))
        elif live:
            self._at_stripe(lambda v1: v1.subscriptions.resume(live[pick % len(live)]))

    @once_somebody_paid
    @rule(pick=picks, card=st.sampled_from(sorted(CARDS)))
    def a_card_is_set_up(self, pick: int, card: str) -> None:
        """A customer leaves a card with Stripe, paying nothing, on a page in setup mode."""
        customers = [doc["id"] for doc in self._stripe()["customer"]]
        if not customers:
            return
        params: Any = {"mode": "setup", "currency": "gbp", "success_url": "https://x.uk/"}
        params["customer"] = customers[pick % len(customers)]

        def set_up(v1: Any) -> None:
            page = v1.checkout.sessions.create(params).url
            self.world.stripe.fill_in(page, CARDS[card], email="card@x.uk")

        self._at_stripe(set_up)
