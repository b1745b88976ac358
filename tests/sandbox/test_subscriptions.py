"""A subscription: begun on the page, renewed by the clock, past due, ended."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.sandbox.conftest import DECLINED, FAILS_LATER, Local


def end_of(subscription: Any) -> int:
    moment: int = subscription["items"].data[0].current_period_end
    return moment


def happened(api: Any) -> Counter[str]:
    return Counter(e.type for e in api.events.list({"limit": 100}).auto_paging_iter())


def test_the_page_makes_customer_subscription_and_paid_invoice(api: Any, subscribe: Any) -> None:
    subscription = subscribe(subscription_data={"metadata": {"plan": "digital"}})
    assert (subscription.status, subscription.metadata["plan"]) == ("active", "digital")
    assert subscription.billing_mode.type == "flexible"
    invoice = api.invoices.retrieve(subscription.latest_invoice)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert (invoice.amount_paid, invoice.number[-5:]) == (500, "-0001")
    details = invoice.parent.subscription_details
    assert (details.subscription, details.metadata["plan"]) == (subscription.id, "digital")
    line = api.invoices.line_items.list(invoice.id).data[0]
    assert line.period.end == end_of(subscription)
    assert line.pricing.price_details.price == subscription["items"].data[0].price.id
    paid = api.invoice_payments.list({"invoice": invoice.id}).data[0]
    asked = {"type": "payment_intent", "payment_intent": paid.payment.payment_intent}
    assert api.invoice_payments.list({"payment": asked}).data[0].invoice == invoice.id
    seen = happened(api)
    for kind in (
        "customer.created",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ):
        assert seen[kind] == 1, kind


def test_a_declined_card_leaves_no_subscription_no_invoice_no_customer(
    api: Any, local: Local, gift: Any
) -> None:
    price = api.prices.create(
        {
            "currency": "gbp",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Digital"},
        }
    )
    session = gift(mode="subscription", line_items=[{"price": price.id, "quantity": 1}])
    assert local.pay(session, DECLINED).status_code == 402
    counts = local.state()["counts"]
    assert not {"subscription", "invoice", "customer"} & counts.keys()


def test_it_renews_at_the_period_end_after_an_hour_as_a_draft(
    api: Any, local: Local, subscribe: Any
) -> None:
    subscription = subscribe()
    local.advance(to=end_of(subscription))
    renewed = api.subscriptions.retrieve(subscription.id)
    invoice = api.invoices.retrieve(renewed.latest_invoice)
    assert (renewed.status, invoice.status) == ("active", "draft")
    assert renewed["items"].data[0].current_period_start == end_of(subscription)
    local.advance(seconds=3500)
    assert api.invoices.retrieve(invoice.id).status == "draft"
    local.advance(seconds=100)
    invoice = api.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_cycle")
    assert len(api.balance_transactions.list({"type": "charge"}).data) == 2


def test_each_month_keeps_the_day_it_began_on(api: Any, local: Local, subscribe: Any) -> None:
    now = local.state()["now"]
    start = datetime.fromtimestamp(now, UTC)
    year = start.year + (start >= datetime(start.year, 1, 31, tzinfo=UTC))
    local.advance(to=int(datetime(year, 1, 31, 12, tzinfo=UTC).timestamp()))
    subscription = subscribe()
    days = []
    for _ in range(3):
        end = end_of(api.subscriptions.retrieve(subscription.id))
        days.append(datetime.fromtimestamp(end, UTC).day)
        local.advance(to=end)
    assert days == [29 if year % 4 == 0 else 28, 31, 30]


def test_a_card_that_fails_later_is_tried_for_a_fortnight_and_then_it_ends(
    api: Any, local: Local, subscribe: Any
) -> None:
    subscription = subscribe(FAILS_LATER)
    local.advance(to=end_of(subscription) + 3600)
    late = api.subscriptions.retrieve(subscription.id)
    invoice = api.invoices.retrieve(late.latest_invoice)
    assert (late.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 1)
    assert invoice.next_payment_attempt == invoice.status_transitions.finalized_at + 86400
    local.advance(days=14)
    ended = api.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    invoice = api.invoices.retrieve(invoice.id)
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (8, None)
    assert happened(api)["invoice.payment_failed"] == 8
    assert happened(api)["customer.subscription.deleted"] == 1


def test_a_new_card_rescues_it_at_the_next_try(api: Any, local: Local, subscribe: Any) -> None:
    subscription = subscribe(FAILS_LATER)
    local.advance(to=end_of(subscription) + 3600)
    good = subscribe(customer=subscription.customer).default_payment_method
    api.subscriptions.update(subscription.id, {"default_payment_method": good})
    local.advance(days=1)
    assert api.subscriptions.retrieve(subscription.id).status == "active"


def test_an_end_at_the_period_end_can_be_taken_back_and_else_happens(
    api: Any, local: Local, subscribe: Any
) -> None:
    kept, ending = subscribe(), subscribe()
    for each in (kept, ending):
        asked = api.subscriptions.update(each.id, {"cancel_at_period_end": True})
        assert (asked.status, asked.cancel_at) == ("active", end_of(each))
    undone = api.subscriptions.update(kept.id, {"cancel_at_period_end": False})
    assert (undone.cancel_at, undone.canceled_at) == (None, None)
    local.advance(days=32)
    assert api.subscriptions.retrieve(kept.id).status == "active"
    gone = api.subscriptions.retrieve(ending.id)
    assert (gone.status, gone.ended_at) == ("canceled", end_of(ending))
    assert gone.cancellation_details.reason == "cancellation_requested"
    assert [s.id for s in api.subscriptions.list().data] == [kept.id]
    assert len(api.subscriptions.list({"status": "all"}).data) == 2


def test_a_cancelled_subscription_ends_now_and_never_renews(
    api: Any, local: Local, subscribe: Any
) -> None:
    subscription = subscribe()
    gone = api.subscriptions.cancel(subscription.id)
    assert (gone.status, gone.ended_at) == ("canceled", gone.canceled_at)
    local.advance(days=40)
    assert len(api.invoices.list({"subscription": subscription.id}).data) == 1


def test_deleting_a_customer_ends_its_subscriptions(api: Any, subscribe: Any) -> None:
    subscription = subscribe()
    api.customers.delete(subscription.customer)
    assert api.subscriptions.retrieve(subscription.id).status == "canceled"


def test_the_clock_moves_only_forward(local: Local, sandbox_url: str) -> None:
    answer = local.http.post(f"{sandbox_url}/_sandbox/advance", json={"seconds": -1})
    assert (answer.status_code, "forward" in answer.text) == (400, True)
