"""Nobody whom Stripe has paid is turned away: who may have paid reads on while we look."""

from datetime import timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa

from billing import checkout, queue, readers, sign_in
from billing.access import Question, Reason
from billing.access.provisional import LASTS
from billing.context import Context
from billing.models import (
    Checkout,
    CheckoutStatus,
    Customer,
    Entitlement,
    EntitlementSource,
    OwedState,
    ReaderLook,
    Repair,
    Subscription,
)
from billing.reconciliation import reader
from billing.reconciliation.reader import look_at_due_readers
from tests.support.asking import ask_the_wall
from tests.support.stripe import LocalStripe


def a_subscriber(context: Context, stripe: LocalStripe) -> tuple[UUID, str]:
    """Return a reader who has paid and come back, and the cookie of their browser."""
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader_id = readers.create(session, now=now).id
        cookie = sign_in.begin_session(session, reader_id=reader_id, now=now)
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=reader_id, shown={}, caller=""
    )
    stripe.pay(started.url)
    with context.db.reading() as session:
        theirs = session.get_one(Checkout, started.checkout_id)
    checkout.settle(context, str(theirs.stripe_session_id))
    return reader_id, cookie


def lose_what_we_know(context: Context) -> None:
    """Be as if no webhook had ever come."""
    with context.db.unit_of_work() as session:
        session.execute(sa.delete(Entitlement))
        session.execute(sa.delete(Subscription))


def ask(context: Context, cookie: str, *, seconds: int = 0, days: int = 0) -> Reason:
    settings = context.settings.model_copy(
        update={"paywall": context.settings.paywall.model_copy(update={"limit": 0})}
    )
    now = context.clock.now() + timedelta(seconds=seconds, days=days)
    question = Question("article", cookie, "", counts=True)
    return ask_the_wall(context.db, settings, question, now=now).decision.reason


def looks(context: Context) -> int:
    with context.db.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(ReaderLook)) or 0


def test_a_customer_about_to_be_refused_reads_on_while_a_worker_looks_and_then_by_right(
    context: Context, stripe: LocalStripe
) -> None:
    _, cookie = a_subscriber(context, stripe)
    assert ask(context, cookie) is Reason.SUBSCRIBER
    lose_what_we_know(context)

    assert ask(context, cookie) is Reason.PROVISIONAL
    assert ask(context, cookie) is Reason.PROVISIONAL
    assert looks(context) == 1
    assert look_at_due_readers(context, most=10) == 1

    assert ask(context, cookie) is Reason.SUBSCRIBER
    with context.db.reading() as session:
        found = session.execute(sa.select(Repair.feed, Repair.kind)).all()
    assert [(str(feed), kind) for feed, kind in found] == [("look", "subscription")]


def test_the_look_is_owed_once_a_day_and_lasts_a_minute(
    context: Context, stripe: LocalStripe
) -> None:
    reader_id, cookie = a_subscriber(context, stripe)
    lose_what_we_know(context)
    for subscription in stripe.client.v1.subscriptions.list().data:
        stripe.client.v1.subscriptions.cancel(subscription.id)

    assert ask(context, cookie) is Reason.PROVISIONAL
    assert look_at_due_readers(context, most=10) == 1
    assert ask(context, cookie, seconds=int(LASTS.total_seconds()) + 5) is Reason.LIMIT_REACHED
    assert looks(context) == 1
    assert ask(context, cookie, days=1) is Reason.PROVISIONAL
    assert looks(context) == 2
    with context.db.reading() as session:
        held = session.scalars(
            sa.select(Entitlement.reader_id).where(
                Entitlement.source == EntitlementSource.PROVISIONAL,
                Entitlement.superseded_at.is_(None),
            )
        ).all()
    assert held == [reader_id]


def test_who_never_began_to_pay_is_refused_at_once(context: Context, stripe: LocalStripe) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        cookie = sign_in.begin_session(session, reader_id=reader.id, now=now)
    assert ask(context, cookie) is Reason.LIMIT_REACHED
    with context.db.unit_of_work() as session:
        row = Customer(stripe_customer_id="cus_gone", reader_id=reader.id, created_at=now)
        row.deleted_at = now
        session.add(row)
    assert ask(context, cookie) is Reason.LIMIT_REACHED
    assert looks(context) == 0


def test_however_many_payment_pages_somebody_has_opened_a_look_asks_for_the_newest_few(
    context: Context, stripe: LocalStripe
) -> None:
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=None, shown={}, caller=""
    )
    with context.db.unit_of_work() as session:
        left = session.get_one(Checkout, started.checkout_id)
        left.status = CheckoutStatus.EXPIRED
        values = {column.name: getattr(left, column.name) for column in Checkout.__table__.columns}
        for number in range(1, 31):
            at = left.created_at + timedelta(minutes=number)
            again = {"id": uuid4(), "stripe_session_id": f"cs_{number}", "created_at": at}
            session.add(Checkout(**values | again))
        reader_id = left.reader_id
    assert reader_id is not None

    with context.db.reading() as session:
        asked = {subject.id for subject in reader._known(session, reader_id)}

    assert asked == {f"cs_{number}" for number in range(11, 31)}


def test_a_look_while_stripe_is_away_stays_owed(context: Context, stripe: LocalStripe) -> None:
    _, cookie = a_subscriber(context, stripe)
    lose_what_we_know(context)
    assert ask(context, cookie) is Reason.PROVISIONAL
    stripe.control("fail_next", status=500, times=3)

    assert look_at_due_readers(context, most=10) == 1
    stripe.advance(seconds=5)
    assert look_at_due_readers(context, most=10) == 1

    assert ask(context, cookie) is Reason.SUBSCRIBER


def test_a_look_in_whose_hands_worker_after_worker_dies_is_set_aside(
    context: Context, stripe: LocalStripe
) -> None:
    _, cookie = a_subscriber(context, stripe)
    lose_what_we_know(context)
    assert ask(context, cookie) is Reason.PROVISIONAL
    now = context.clock.now()
    for lost in range(3):
        with context.db.unit_of_work() as session:
            later = now + lost * timedelta(minutes=3)
            assert len(queue.claim_due(session, ReaderLook, now=later)) == 1
    stripe.advance(seconds=9 * 60)

    assert look_at_due_readers(context, most=1) == 1

    with context.db.reading() as session:
        assert session.scalars(sa.select(ReaderLook.state)).one() == OwedState.PARKED
        assert session.scalar(sa.select(Subscription.id)) is None
