"""What readers do: they begin, pay, fail to pay, come back, go away and change their mind."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import consumes, multiple, rule

from billing import checkout, subscriptions
from billing.money import Money
from tests.chaos import ours
from tests.chaos.rules.history import (
    ACCOUNTS,
    APPEALS,
    CARDS,
    PRICES,
    History,
    once_somebody_paid,
    picks,
)

ASKING = {"once": "4000002760003155", "every time": "4000002760003184"}

checkouts = History.checkouts


class Readers(History):
    """Readers, on our pages and on Stripe's."""

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
        self.paid = True

    @rule(
        started=checkouts,
        asks=st.sampled_from(sorted(ASKING)),
        outcome=st.sampled_from(["confirm", "fail", "goes away"]),
    )
    def pays_by_a_card_that_asks(self, started: checkout.Started, asks: str, outcome: str) -> None:
        """The card's bank wants them to confirm: they do, they fail to, or they never answer."""
        email = f"{started.checkout_id}@x.uk"
        answer = self.world.stripe.fill_in(started.url, ASKING[asks], email=email)
        if answer.is_redirect and outcome != "goes away":
            self.world.stripe.confirm(str(answer.headers["location"]), outcome)
        self.paid = True

    @rule(started=checkouts, account=st.sampled_from(sorted(ACCOUNTS)))
    def pays_by_debit(self, started: checkout.Started, account: str) -> None:
        """They give a bank account, and the money takes its days or never comes."""
        self.world.stripe.fill_in(
            started.url, ACCOUNTS[account], email=f"{started.checkout_id}@x.uk", by="bacs_debit"
        )
        self.paid = True

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

    @once_somebody_paid
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

    @once_somebody_paid
    @rule(pick=picks, card=st.sampled_from(sorted(CARDS)))
    def pays_from_another_card(self, pick: int, card: str) -> None:
        """A subscriber is led to Stripe's portal, and gives another card there."""
        found = ours.subscriptions(self.context)
        if not found:
            return
        reader_id, subscription_id = found[pick % len(found)]
        who = {"reader_id": reader_id, "subscription_id": subscription_id}
        with self._may_fail():
            page = subscriptions.change_page(self.context, **who)
            self.world.stripe.fill_in(page, CARDS[card], email="changed@x.uk")
            subscriptions.come_back(self.context, **who)

    @once_somebody_paid
    @rule(pick=picks, card=st.sampled_from(sorted(CARDS)))
    def pays_what_is_open(self, pick: int, card: str) -> None:
        """A subscriber whose payment failed is led to that very invoice, and pays it, or fails."""
        found = ours.subscriptions(self.context)
        if not found:
            return
        reader_id, subscription_id = found[pick % len(found)]
        with self._may_fail():
            page = subscriptions.pay_page(
                self.context, reader_id=reader_id, subscription_id=subscription_id
            )
            if page:
                self.world.stripe.fill_in(page, CARDS[card], email="late@x.uk")
