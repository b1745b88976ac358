"""One payment is told of in many ways; whichever comes first, or meanwhile, it is one fact."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.access import Reason
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.models import (
    BalanceTransaction,
    Checkout,
    Entitlement,
    JournalEntry,
    OutboxMessage,
    Payment,
    Receipt,
    Subscription,
    Task,
    WebSession,
)
from billing.queue import lease
from billing.reconciliation import poll_unfinished
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.sweep import sweep
from billing.stripe_gateway.client import Gateway
from tests.support.deliveries import work_off
from tests.support.stripe import LocalStripe
from tests.support.subscriber import reason, start
from tests.webhooks.heard import make_due, receive

CARRIERS = ("checkout.session.completed", "invoice.paid", "customer.subscription.created")
EVERY_MOMENT = 20  # and more than that: Stripe is not asked as often
ONE_OF_EACH = {
    "checkouts": ["settled"],
    "subscriptions": ["active"],
    "rights": ["subscription"],
    "payments": [5_49],
    "entries": 1,
    "receipts": 1,
    "mails": ["subscription_started"],
    "questions": [],
}


class Interrupted(Gateway):
    """Stripe, whose n-th answer comes while somebody else does something."""

    def __init__(self, context: Context, *, at: int, meanwhile: Callable[[], object]) -> None:
        super().__init__(context.settings)
        self._at, self._meanwhile = at, meanwhile
        self.asked = 0

    def ask(self, question: Any) -> Any:
        """Ask, and let the other go all the way before the answer is used."""
        answer = super().ask(question)
        self.asked += 1
        if self.asked == self._at:
            self._meanwhile()
        return answer


@dataclass
class Paid:
    """A reader who has paid at Stripe, of whom we have heard nothing yet."""

    context: Context
    started: checkout.Started
    said: list[dict[str, Any]]

    def come_back(self, context: Context) -> None:
        checkout.settle_return(
            context,
            checkout_id=self.started.checkout_id,
            token=return_token(context.settings, self.started.checkout_id),
            browser=self.started.browser,
        )

    def hear(self, *types: str) -> None:
        """Have the webhook bring events, all of them unless told, and a worker handle them."""
        receive(self.context, *[e for e in self.said if not types or e["type"] in types])
        work_off(self.context)


def pay(context: Context, stripe: LocalStripe) -> Paid:
    known = stripe.client.v1.events.list({"limit": 1}).data[0].id
    started = start(context)
    stripe.pay(started.url)
    since = stripe.client.v1.events.list({"limit": 100, "ending_before": known}).data
    said = [json.loads(str(event)) for event in since]
    return Paid(context, started, [event for event in said if event["type"] in CARRIERS])


def held(context: Context, paid: Paid) -> dict[str, Any]:
    """Return all that has come of one reader's payment."""
    with context.db.reading() as session:
        reader = session.get_one(Checkout, paid.started.checkout_id).reader_id

        def of_theirs(column: Any, *, by: Any) -> list[Any]:
            return [getattr(v, "value", v) for v in session.scalars(sa.select(column).where(by))]

        payments = sa.select(Payment.id).where(Payment.reader_id == reader)
        moved = BalanceTransaction.stripe_balance_transaction_id
        movements = sa.select(moved).where(BalanceTransaction.payment_id.in_(payments))
        booked = JournalEntry.source_id.in_(movements)
        return {
            "checkouts": of_theirs(Checkout.status, by=Checkout.reader_id == reader),
            "subscriptions": of_theirs(Subscription.status, by=Subscription.reader_id == reader),
            "rights": of_theirs(Entitlement.source, by=Entitlement.reader_id == reader),
            "payments": of_theirs(Payment.amount, by=Payment.reader_id == reader),
            "entries": len(of_theirs(JournalEntry.source_id, by=booked)),
            "receipts": len(of_theirs(Receipt.number, by=Receipt.payment_id.in_(payments))),
            "mails": of_theirs(OutboxMessage.kind, by=OutboxMessage.reader_id == reader),
            "questions": of_theirs(Task.kind, by=Task.closed_at.is_(None)),
        }


@pytest.mark.slow
def test_any_of_the_events_of_one_payment_lets_the_reader_in_and_all_of_them_are_one_fact(
    context: Context, stripe: LocalStripe
) -> None:
    several = chain.from_iterable(combinations(CARRIERS, n) for n in (1, 2, 3))
    for first in several:
        paid = pay(context, stripe)

        paid.hear(*first)

        assert held(context, paid)["rights"] == ["subscription"], first
        paid.come_back(context)
        paid.hear()
        assert held(context, paid) == ONE_OF_EACH, first


@pytest.mark.slow
@pytest.mark.parametrize("first", ["return", "webhook", "poll"])
def test_at_whatever_point_the_return_and_the_webhook_meet_there_is_one_fact_and_one_receipt(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The poll is the third of them: whoever is first, the other two come while it is at work."""
    monkeypatch.setattr(lease, "PATIENCE", 0.0)  # the one waits below the other: it can only leave
    at = 0
    for at in range(1, EVERY_MOMENT):
        paid = pay(context, stripe)
        stripe.advance(seconds=700)  # so long the poll leaves it to the others
        receive(context, *paid.said)
        ways = {"return": paid.come_back, "webhook": work_off, "poll": poll_unfinished}
        begun = ways.pop(first)
        others = lambda: [way(context) for way in ways.values()]  # noqa: B023, E731  # of this round
        gateway = Interrupted(context, at=at, meanwhile=others)
        begun(replace(context, gateway=gateway))

        make_due(context)  # who found another at work has only to try again
        work_off(context)
        paid.come_back(context)

        assert held(context, paid) == ONE_OF_EACH, (first, at)
        if gateway.asked < at:
            break  # they met at every point there is
    assert len(CARRIERS) < at < EVERY_MOMENT - 1
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(WebSession)) == at


def test_one_purchase_is_told_by_one_mail_by_however_many_ways_we_hear_of_it(
    context: Context, stripe: LocalStripe
) -> None:
    paid = pay(context, stripe)

    for _ in range(2):
        paid.hear()
        paid.come_back(context)
        poll_unfinished(context)
        sweep(context, since=BEGINNING)

    with context.db.reading() as session:
        told = session.scalars(sa.select(OutboxMessage.kind)).all()
    assert told == ["subscription_started"]


@pytest.mark.parametrize("way", ["they come back", "we ask after it", "we compare everything"])
def test_who_has_paid_reads_by_whatever_way_we_come_to_know(
    context: Context, stripe: LocalStripe, way: str
) -> None:
    paid = pay(context, stripe)
    stripe.advance(seconds=700)

    if way == "they come back":
        paid.come_back(context)
    elif way == "we ask after it":
        poll_unfinished(context)
    else:
        sweep(context, since=BEGINNING)

    with context.db.reading() as session:
        reader_id = session.scalars(sa.select(Subscription.reader_id)).one()
    assert reason(context, reader_id) is Reason.SUBSCRIBER
