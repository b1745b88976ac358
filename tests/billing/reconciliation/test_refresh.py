"""One way in for every feed; what no webhook had told us is written down as a repair."""

import pytest
import sqlalchemy as sa

from billing import checkout
from billing.context import Context
from billing.models import Feed, Repair
from billing.money import Money
from billing.reconciliation import Subject, SubjectKind, refresh
from billing.reconciliation.refresh import LOOKS
from tests.support.stripe import LocalStripe


def a_gift(context: Context, stripe: LocalStripe) -> Subject:
    """Give £25 on Stripe's page, and come back to nobody."""
    started = checkout.start_donation(
        context,
        appeal="95th-anniversary",
        amount=Money(25_00),
        reader_id=None,
        shown={},
        caller="",
    )
    stripe.pay(started.url)
    intent = stripe.client.v1.payment_intents.list({"limit": 1}).data[0]
    return Subject(SubjectKind.PAYMENT, intent.id)


def repairs(context: Context) -> list[tuple[Feed, str, list[dict[str, str]]]]:
    with context.db.reading() as session:
        return [(r.feed, r.object_id, r.found) for r in session.scalars(sa.select(Repair))]


def test_a_subject_is_written_as_its_kind_and_its_id() -> None:
    assert str(Subject(SubjectKind.SUBSCRIPTION, "sub_1")) == "subscription:sub_1"


def test_there_is_a_way_to_look_at_every_kind_of_subject() -> None:
    assert set(LOOKS) == set(SubjectKind)


@pytest.mark.parametrize("feed", [Feed.WEBHOOK, Feed.RETURN])
def test_what_we_were_told_is_no_repair(context: Context, stripe: LocalStripe, feed: Feed) -> None:
    refresh(context, a_gift(context, stripe), feed=feed)

    assert repairs(context) == []


def test_what_no_webhook_told_us_is_written_down_once_as_a_repair_of_the_feed_that_found_it(
    context: Context, stripe: LocalStripe
) -> None:
    subject = a_gift(context, stripe)
    for _ in range(2):
        refresh(context, subject, feed=Feed.SWEEP)
    charge = stripe.client.v1.charges.list({"limit": 1}).data[0]
    stripe.client.v1.refunds.create({"charge": charge.id, "amount": 10_00})
    for _ in range(2):
        refresh(context, subject, feed=Feed.EVENTS)

    (begun, refunded) = repairs(context)
    assert begun[:2] == (Feed.SWEEP, subject.id)
    assert {"field": f"{subject.id} status", "ours": "", "theirs": "succeeded"} in begun[2]
    assert refunded == (
        Feed.EVENTS,
        subject.id,
        [{"field": f"{subject.id} refunded_amount", "ours": "0", "theirs": "1000"}],
    )
