"""Each night and each week everything is compared, whatever fails, and at what price."""

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import (
    Account,
    AccountKind,
    Cursor,
    Donation,
    Entitlement,
    EntitlementSource,
    OutboxMessage,
    Task,
)
from billing.money import Money
from billing.reconciliation import rehearsal
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.rounds import nightly
from billing.reconciliation.sweep import sweep
from billing.stripe_gateway import whose
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.told import Key, tell
from tests.billing.reconciliation.test_any_delivery import tell_a_story, what_we_know
from tests.support.reconciling import CountingGateway, count, settle_all, subscribe
from tests.support.stripe import LocalStripe


def test_one_object_that_cannot_be_taken_in_keeps_no_other_waiting(
    context: Context, stripe: LocalStripe
) -> None:
    for appeal in ("95th-anniversary", "fighting-fund"):
        gift = checkout.start_donation(
            context,
            appeal=appeal,
            amount=Money(25_00),
            reader_id=None,
            shown={},
            caller="192.0.2.1",
        )
        stripe.pay(gift.url)
    stripe.advance(seconds=700)
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Account).where(Account.code == "4910"))

    report = sweep(context, since=BEGINNING)

    assert what_we_know(context)["gifts"] == [("2500", "fighting-fund")]
    assert report.exit_code == 2
    with context.db.unit_of_work() as session:
        session.add(Account(code="4910", name="The appeal", kind=AccountKind.INCOME))
    sweep(context, since=BEGINNING)
    assert len(what_we_know(context)["gifts"]) == 2


def test_a_silent_stripe_stops_the_round_politely_and_keeps_its_cursor(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    nightly(context)
    with context.db.reading() as session:
        before = session.get_one(Cursor, "sweep").at
    stripe.control("fail_next", method="GET", status=429, times=20)

    report = nightly(context)

    assert report.exit_code == 2
    assert report.stopped.startswith("Stripe did not answer")
    with context.db.reading() as session:
        assert session.get_one(Cursor, "sweep").at == before


def test_a_cursor_older_than_thirty_days_compares_everything_and_says_so_loudly(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Entitlement))
        session.execute(sa.delete(Donation))
        session.merge(Cursor(name="sweep", at=context.clock.now() - timedelta(days=31)))

    report = nightly(context)

    assert {drift.repaired for drift in report.drifts} == {True}
    with context.db.reading() as session:
        assert "long-gap" in session.scalars(sa.select(Task.kind)).all()
        rights = session.scalars(sa.select(Entitlement.source)).all()
    assert rights == [EntitlementSource.SUBSCRIPTION]


@pytest.mark.slow
def test_walking_costs_a_call_for_a_hundred_objects_and_none_for_each(
    context: Context, stripe: LocalStripe
) -> None:
    gateway = CountingGateway(context.settings)
    counting = replace(context, gateway=gateway)
    whose.make_sure(context.db, gateway, now=context.clock.now())  # once for each process
    asked = []
    for _ in range(2):
        for number in range(2):
            subscribe(context, stripe, email=f"reader{number}@example.org")
        settle_all(context, stripe)
        gateway.asked = 0
        assert sweep(counting, since=BEGINNING).exit_code == 0
        asked.append(gateway.asked)
    assert asked[0] == asked[1]


def test_what_differs_is_read_once_to_find_it_and_once_to_make_sure(
    context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        subscribe(context, stripe, email=f"reader{number}@example.org")
    stripe.advance(seconds=700)
    read: list[Key] = []

    def tell_and_note(gateway: Gateway, told: MutableMapping[Key, Any], key: Key) -> None:
        read.append(key)
        tell(gateway, told, key)

    monkeypatch.setattr(rehearsal, "tell", tell_and_note)

    report = sweep(context, since=BEGINNING, apply=False)

    kinds = {drift.kind for drift in report.drifts}
    assert {"subscription", "checkout", "payment"} <= kinds, "each is part of the others"
    assert max(Counter(read).values()) == 2


def test_a_new_database_on_an_old_account_walks_no_history_until_somebody_adopts_it(
    context: Context, stripe: LocalStripe
) -> None:
    tell_a_story(context, stripe)
    with context.db.unit_of_work() as session:
        for table in ("outbox_message", "entitlement", "customer", "checkout", "cursor"):
            session.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608  # names of ours

    report = nightly(context)

    assert report.exit_code == 2
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["adopt-first"]
    assert count(context, OutboxMessage.id) == 0


def test_a_round_looks_at_the_account_the_prices_and_what_stripe_asks_of_staff(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    charge = stripe.client.v1.charges.list().data[0].id
    stripe.control(f"charges/{charge}/review")
    price = stripe.client.v1.prices.list({"limit": 1}).data[0].id
    stripe.client.v1.prices.update(price, {"active": False})
    stripe.advance(seconds=700)

    nightly(context)

    with context.db.reading() as session:
        kinds = set(session.scalars(sa.select(Task.kind).where(Task.closed_at.is_(None))))
    assert {"review", "price-differs"} <= kinds


def test_a_list_our_key_may_not_read_keeps_a_round_from_none_of_the_others(
    context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    settle_all(context, stripe)
    price = stripe.client.v1.prices.list({"limit": 1}).data[0].id
    stripe.client.v1.prices.update(price, {"active": False})
    stripe.advance(seconds=700)
    stripe.control(
        "fail_next", kind="error", method="GET", status=403, path_prefix="/v1/reviews", times=1
    )

    nightly(context)

    with context.db.reading() as session:
        asked = {(task.kind, task.subject) for task in session.scalars(sa.select(Task))}
    assert ("key-refused", "reviews") in asked
    assert "price-differs" in {kind for kind, _ in asked}
