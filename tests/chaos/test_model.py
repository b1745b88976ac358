"""Invoices as no history would bring them: the model and the product say the same of each run."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import readers
from billing.access import follow_subscription
from billing.context import Context
from billing.models import Interval, Subscription, SubscriptionStatus
from billing.stripe_gateway.periods import (
    Period,
    at_bank_until,
    overdue_since,
    paid_until,
    period_of,
)
from billing.stripe_gateway.types import StripeSubscription
from billing.subscriptions.mirror import mirror
from tests.chaos import model
from tests.support.subscriber import rights_in

BEGAN = 1_800_000_000
MONTH = 30 * model.DAY
_STATUSES = ("paid", "open", "void", "draft", "uncollectible")
_GOES_ON = ("active", "past_due", "unpaid", "trialing")


class Asked(NamedTuple):
    """What an invoice asks for, in seconds since the beginning."""

    status: str
    worth: int
    starts: int
    ends: int
    odd: bool = False  # of an open one: a bank works on it; given up: because of a pause


@st.composite
def invoices(draw: st.DrawFn) -> list[Asked]:
    """Draw a few periods, one after another, or the next begun before the last is over.

    Some are longer, some for nothing, and some were given up because nobody collected.
    """
    asked = [Asked("paid", 0, 0, 7 * model.DAY)] if draw(st.booleans()) else []  # a trial
    for status in draw(st.lists(st.sampled_from(_STATUSES), min_size=1, max_size=5)):
        starts = asked[-1].ends if asked else 0
        if asked and draw(st.integers(0, 3)) == 0:
            starts -= (asked[-1].ends - asked[-1].starts) * 2 // 3
        worth, odd = draw(st.sampled_from((5_49, 5_49, 0))), draw(st.booleans())
        ends = starts + draw(st.sampled_from((MONTH, MONTH, 12 * MONTH)))
        asked.append(Asked(status, worth, starts, ends, odd))
    return asked


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=invoices(),
    status=st.sampled_from(_GOES_ON),
    paused=st.booleans(),
    ends=st.one_of(st.none(), st.integers(1, 200)),
)
def test_of_every_run_of_invoices_the_model_and_the_product_say_until_when_it_lets_in(
    context: Context, asked: list[Asked], status: str, ends: int | None, *, paused: bool
) -> None:
    theirs = _documents(asked, status, paused=paused, ends=ends)
    (subscription,) = theirs.subscriptions()

    assert _held_until(context, theirs) == max(model.reads_until(theirs, subscription), BEGAN)


def _documents(asked: list[Asked], status: str, *, paused: bool, ends: int | None) -> model.Stripe:
    """Write what Stripe would keep."""
    docs: list[model.Doc] = []
    for number, each in enumerate(asked):
        starts, ends_at = BEGAN + each.starts, BEGAN + each.ends
        docs.append(
            {
                "object": "invoice",
                "id": f"in_{number}",
                "status": each.status,
                "billing_reason": "subscription_cycle" if number else "subscription_create",
                "due_date": None,
                "status_details": {"uncollectible": {"reason": "subscription_paused"}}
                if each.odd and each.status == "uncollectible"
                else None,
                "period_start": starts,
                "period_end": ends_at,
                "parent": {"subscription_details": {"subscription": "sub_1", "metadata": {}}},
            }
        )
        docs.append(
            {
                "object": "line_item",
                "invoice": f"in_{number}",
                "amount": each.worth,
                "period": {"start": starts, "end": ends_at},
                "parent": {"subscription_item_details": {"proration": False}},
            }
        )
        if each.odd and each.status == "open":
            of_it = {"invoice": f"in_{number}", "payment": {"payment_intent": f"pi_{number}"}}
            docs.append({"object": "invoice_payment"} | of_it)
            docs.append({"object": "payment_intent", "id": f"pi_{number}", "status": "processing"})
    starts, ends_at = BEGAN + asked[-1].starts, BEGAN + asked[-1].ends
    period = {"current_period_start": starts, "current_period_end": ends_at}
    doc: dict[str, Any] = {
        "object": "subscription",
        "id": "sub_1",
        "status": status,
        "items": {"data": [period]},
        "cancel_at": None if ends is None else BEGAN + ends * model.DAY,
        "cancel_at_period_end": False,
        "ended_at": None,
        "pause_collection": {"behavior": "void"} if paused else None,
        "latest_invoice": f"in_{len(asked) - 1}",
        "metadata": {"app": model.APP},
    }
    return model.Stripe.reading([*docs, doc])


def _held_until(context: Context, theirs: model.Stripe) -> int:
    """Return until when the product would let the reader in, or when it all began."""
    (doc,) = theirs.subscriptions()
    periods = [_period(theirs, invoice) for invoice in reversed(theirs.invoices_of("sub_1"))]
    period_ends, paid = _instant(doc["items"]["data"][0]["current_period_end"]), paid_until(periods)
    seen = StripeSubscription(
        id="sub_1",
        status=SubscriptionStatus(doc["status"]),
        customer_id="",
        metadata={},
        price_ids=("price_1",),
        amount=5_49,
        currency="gbp",
        interval=Interval.MONTH,
        started=_instant(BEGAN),
        period_starts=_instant(doc["items"]["data"][0]["current_period_start"]),
        period_ends=period_ends,
        paid_until=paid or period_ends,
        ends_on=_instant(doc["cancel_at"]) if doc["cancel_at"] else None,
        canceled_at=None,
        ended_at=None,
        ended_unpaid=False,
        period_paid=paid is None,
        overdue_since=overdue_since(periods),
        at_bank_until=at_bank_until(periods),
        collection_paused=doc["pause_collection"] is not None,
    )
    now = _instant(BEGAN)
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        ours = Subscription(id=uuid4(), reader_id=reader.id, plan="digital")
        ours.stripe_subscription_id = "sub_1"
        mirror(ours, seen, None)
        follow_subscription(session, ours, paywall=context.settings.paywall, now=now)
        session.flush()
        ends = [right.ends_at for right in rights_in(session).values() if right.ends_at]
        session.rollback()
    return max((int(each.timestamp()) for each in ends), default=BEGAN)


def _period(theirs: model.Stripe, invoice: model.Doc) -> Period:
    lines = [line for line in theirs["line_item"] if line["invoice"] == invoice["id"]]
    found = period_of(
        stripe.Invoice.construct_from(invoice, "key"),
        [stripe.InvoiceLineItem.construct_from(line, "key") for line in lines],
        at_bank=any(tried["invoice"] == invoice["id"] for tried in theirs["invoice_payment"]),
    )
    assert found is not None
    return found


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
