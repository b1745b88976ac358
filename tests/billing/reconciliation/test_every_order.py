"""Every order in which a few events may come ends the same, and so does every number of times."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing.context import Context
from billing.models import OutboxMessage
from tests.billing.reconciliation.test_any_delivery import (
    expect_the_end_of_the_story,
    tell_a_story,
    what_we_know,
)
from tests.billing.reconciliation.test_whoever_hears_first import ONE_OF_EACH, held, pay
from tests.support.deliveries import deliver, events, work_off
from tests.support.stripe import LocalStripe
from tests.webhooks.heard import receive

OF_A_PURCHASE = (
    "customer.subscription.created",
    "invoice.paid",
    "payment_intent.succeeded",
    "checkout.session.completed",
)
pytestmark = pytest.mark.slow


def hear_one_by_one(context: Context, said: Any) -> None:
    for event in said:
        receive(context, event)
        work_off(context)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_all_orders_of_the_events_of_a_purchase_end_in_one_of_each(
    context: Context, stripe: LocalStripe
) -> None:
    for order in permutations(OF_A_PURCHASE):
        before = {event["id"] for event in events(stripe)}
        paid = pay(context, stripe)
        said = {e["type"]: e for e in events(stripe) if e["id"] not in before}

        hear_one_by_one(context, [said[kind] for kind in order])

        assert held(context, paid) == ONE_OF_EACH, order


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_all_orders_of_an_end_its_undoing_and_the_end_after_all_leave_it_ended(
    context: Context, stripe: LocalStripe
) -> None:
    update = stripe.client.v1.subscriptions.update
    for order in permutations(range(3)):
        paid = pay(context, stripe)
        paid.hear()
        ours = stripe.client.v1.subscriptions.list({"limit": 1}).data[0].id
        before = {event["id"] for event in events(stripe)}
        update(ours, {"cancel_at_period_end": True})
        update(ours, {"cancel_at_period_end": False})
        stripe.client.v1.subscriptions.cancel(ours)
        said = [e for e in events(stripe) if e["id"] not in before]
        assert [e["type"].rpartition(".")[2] for e in said] == ["updated", "updated", "deleted"]

        hear_one_by_one(context, [said[place] for place in order])

        found = held(context, paid)
        assert found["subscriptions"] == ["canceled"], order
        assert found["mails"] == ["subscription_started", "subscription_ended"], order


@pytest.mark.parametrize("threads", [1, 8])
def test_however_often_each_event_is_delivered_and_by_however_many_it_is_fulfilled_once(
    context: Context, client: TestClient, stripe: LocalStripe, threads: int
) -> None:
    said = tell_a_story(context, stripe)

    def by_all_at_once(times: int) -> None:
        shares = [said[place::threads] for place in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(times):
                # Each share comes from two at once, and is handled by whoever is free.
                list(pool.map(lambda share: deliver(client, context, share), [*shares, *shares]))
        work_off(context)

    by_all_at_once(1)
    once = what_we_know(context)
    expect_the_end_of_the_story(context)
    with context.db.reading() as session:
        told = Counter(session.scalars(sa.select(OutboxMessage.kind)))
    assert (told["subscription_started"], told["donation_thanks"]) == (2, 2)
    for times in (2, 3, 4, 5):
        by_all_at_once(times)
        assert what_we_know(context) == once, times
