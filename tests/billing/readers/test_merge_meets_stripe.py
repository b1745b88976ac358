"""A reader proves their address at the very moment in which we write what Stripe says of them.

Neither waits for the other in a ring, and nothing is left behind with who they no longer are.
"""

import threading
import time
from collections.abc import Callable
from uuid import UUID

import pytest
import sqlalchemy as sa

from billing import checkout, readers, subscriptions
from billing.catalogue.prices import price_on_sale
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.db import Database
from billing.models import (
    Checkout,
    Entitlement,
    Payment,
    Reader,
    Subscription,
    Task,
    WebSession,
)
from tests.support.stripe import LocalStripe

GWEN = "gwen@example.org"
PATIENCE = 10.0


def start(context: Context) -> checkout.Started:
    return checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )


def come_back(context: Context, started: checkout.Started) -> checkout.Returned:
    return checkout.settle_return(
        context,
        checkout_id=started.checkout_id,
        token=return_token(context.settings, started.checkout_id),
        browser=started.browser,
    )


def proved(context: Context) -> UUID:
    """Make the reader who proved Gwen's address some time ago."""
    with context.db.unit_of_work() as session:
        return readers.verify_and_merge(session, GWEN, now=context.clock.now()).id


def prove_again(context: Context) -> None:
    with context.db.unit_of_work() as session:
        readers.verify_and_merge(session, GWEN, now=context.clock.now())


def waiting(db: Database) -> int:
    """Count who waits for somebody's lock; SQLite has one writer, and cannot say."""
    if db.is_sqlite:
        return 0
    with db.reading() as session:
        return (
            session.scalar(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
            or 0
        )


def queue_up(db: Database, reader_id: UUID, *verbs: Callable[[], object]) -> list[BaseException]:
    """Let verbs come to the same reader one after the other, and let all of them go at once.

    Returns:
        What any of them raised.
    """
    raised: list[BaseException] = []

    def carefully(verb: Callable[[], object]) -> None:
        try:
            verb()
        except BaseException as error:  # noqa: BLE001  # whatever it was, the test shows it
            raised.append(error)

    threads = [threading.Thread(target=carefully, args=(verb,)) for verb in verbs]
    with db.unit_of_work() as session:
        session.execute(sa.select(Reader).where(Reader.id == reader_id).with_for_update())
        for number, thread in enumerate(threads, start=1):
            thread.start()
            deadline = time.monotonic() + (0.3 if db.is_sqlite else PATIENCE)
            while waiting(db) < number and time.monotonic() < deadline:
                time.sleep(0.02)
    for thread in threads:
        thread.join()
    return raised


def only_reader(context: Context, *, but: UUID) -> UUID:
    with context.db.reading() as session:
        return session.scalars(sa.select(Reader.id).where(Reader.id != but)).one()


def whose(context: Context) -> set[UUID | None]:
    """Return everybody to whom something belongs."""
    with context.db.reading() as session:
        found = [
            session.scalars(sa.select(Subscription.reader_id)).all(),
            session.scalars(sa.select(Payment.reader_id)).all(),
            session.scalars(
                sa.select(Entitlement.reader_id).where(Entitlement.superseded_at.is_(None))
            ).all(),
        ]
    return {reader_id for each in found for reader_id in each}


def test_a_renewal_applied_during_a_merge_belongs_to_who_the_reader_is_now(
    context: Context, stripe: LocalStripe
) -> None:
    owner = proved(context)
    started = start(context)
    stripe.pay(started.url, email=GWEN)
    come_back(context, started)
    typist = only_reader(context, but=owner)
    stripe.advance(days=32)
    with context.db.reading() as session:
        subscription_id = session.scalars(sa.select(Subscription.stripe_subscription_id)).one()

    raised = queue_up(
        context.db,
        typist,
        lambda: prove_again(context),
        lambda: subscriptions.look_again(context, subscription_id),
    )

    assert raised == []
    assert whose(context) == {owner}


def test_a_new_subscription_seen_during_a_merge_belongs_to_who_the_reader_is_now(
    context: Context, stripe: LocalStripe
) -> None:
    owner = proved(context)
    started = start(context)
    typist = only_reader(context, but=owner)
    with context.db.unit_of_work() as session:
        readers.note_typed(session, typist, email=GWEN)
    stripe.pay(started.url, email=GWEN)
    session_id = started.url.rsplit("/", 1)[1]

    raised = queue_up(
        context.db,
        typist,
        lambda: prove_again(context),
        lambda: checkout.settle(context, session_id),
    )

    assert raised == []
    assert whose(context) == {owner}


def test_a_return_during_a_merge_signs_nobody_in_and_neither_fails(
    context: Context, stripe: LocalStripe
) -> None:
    owner = proved(context)
    started = start(context)
    stripe.pay(started.url, email=GWEN)
    checkout.settle(context, started.url.rsplit("/", 1)[1])
    typist = only_reader(context, but=owner)

    raised = queue_up(
        context.db,
        typist,
        lambda: prove_again(context),
        lambda: come_back(context, started),
    )

    assert raised == []
    with context.db.reading() as session:
        assert session.scalars(sa.select(WebSession)).all() == []
        assert session.get_one(Checkout, started.checkout_id).reader_id == owner


@pytest.mark.parametrize("attempt", range(2))
def test_two_subscriptions_seen_at_the_same_moment_are_a_question_for_staff(
    context: Context, stripe: LocalStripe, attempt: int
) -> None:
    del attempt
    started = start(context)
    with context.db.reading() as session:
        reader_id = session.scalars(sa.select(Reader.id)).one()
    began = stripe.client.v1.checkout.sessions.retrieve(started.url.rsplit("/", 1)[1])
    marks = began.metadata.to_dict() if began.metadata else {}
    with context.db.reading() as session:
        price = price_on_sale(session, "digital-month-standard").stripe_price_id
    again = stripe.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": 1}],
            "subscription_data": {"metadata": marks},
            "success_url": "https://paper.example/thanks",
        }
    )
    for url in (started.url, str(again.url)):
        stripe.pay(url)
    first, second = stripe.client.v1.subscriptions.list().data

    raised = queue_up(
        context.db,
        reader_id,
        lambda: subscriptions.look_again(context, first.id),
        lambda: subscriptions.look_again(context, second.id),
    )

    assert raised == []
    with context.db.reading() as session:
        assert session.scalars(sa.select(Task.kind)).all() == ["second-subscription"]
