"""Changes of a subscription: prorated by the second, billed now or later, credited or debited."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine.periods import share
from tests.sandbox.conftest import FAILS_LATER, Local, price

Subscribe = Callable[..., Any]
_FOREVER = 10**9


def half_of(subscription: Any) -> int:
    """The moment half-way through the period."""
    item = subscription["items"].data[0]
    middle: int = (item.current_period_start + item.current_period_end) // 2
    return middle


def swap(api: Any, subscription: Any, to: str, **more: Any) -> Any:
    items = [{"id": subscription["items"].data[0].id, "price": to}]
    return api.subscriptions.update(subscription.id, {"items": items} | more)


def amounts(api: Any, invoice: Any) -> list[int]:
    lines = api.invoices.line_items.list(getattr(invoice, "id", invoice), {"limit": 100})
    return [line.amount for line in lines.auto_paging_iter()]


def waiting(api: Any, subscription: Any) -> list[Any]:
    items = api.invoice_items.list({"customer": subscription.customer, "pending": True})
    return [*reversed(items.data)]


@pytest.fixture
def ten(api: Any, subscribe: Subscribe) -> Any:
    """A subscription at £10 a month."""
    return subscribe(line_items=[{"price": price(api, 1000), "quantity": 1}])


def test_half_way_from_ten_to_twenty_is_five_back_and_ten_more(api: Any, ten: Any) -> None:
    swap(api, ten, price(api, 2000), proration_date=half_of(ten))
    credit, debit = waiting(api, ten)
    assert (credit.amount, debit.amount) == (-500, 1000)
    assert (credit.proration, debit.proration) == (True, True)
    assert credit.proration_details.credited_items.type == "invoice_line_items"
    assert credit.description.startswith("Unused time on")
    assert debit.description.startswith("Remaining time on")


def test_prorations_are_on_the_next_invoice_beside_the_next_period(
    api: Any, local: Local, ten: Any
) -> None:
    swap(api, ten, price(api, 2000), proration_date=half_of(ten))
    end = ten["items"].data[0].current_period_end
    local.advance(to=end + 3600)
    bill = api.invoices.retrieve(api.subscriptions.retrieve(ten.id).latest_invoice)
    assert (amounts(api, bill), bill.amount_paid) == ([-500, 1000, 2000], 2500)
    assert waiting(api, ten) == []
    line = bill.lines.data[0].parent.subscription_item_details
    assert (line.proration, line.subscription_item) == (True, ten["items"].data[0].id)


def test_an_upgrade_can_be_invoiced_at_once(api: Any, ten: Any) -> None:
    more = {"proration_behavior": "always_invoice", "proration_date": half_of(ten)}
    changed = swap(api, ten, price(api, 2000), **more)
    bill = api.invoices.retrieve(changed.latest_invoice)
    assert (bill.status, bill.billing_reason, bill.amount_paid) == (
        "paid",
        "subscription_update",
        500,
    )
    assert changed["items"].data[0].price.unit_amount == 2000


def test_without_prorations_nothing_is_owed_for_this_period(api: Any, ten: Any) -> None:
    changed = swap(api, ten, price(api, 2000), proration_behavior="none")
    assert (waiting(api, ten), changed.latest_invoice) == ([], ten.latest_invoice)


def test_a_credit_follows_what_was_debited_and_not_the_present_price(api: Any, ten: Any) -> None:
    swap(api, ten, price(api, 2000), proration_behavior="none")
    changed = api.subscriptions.retrieve(ten.id)
    swap(api, changed, price(api, 3000), proration_date=half_of(ten))
    assert [item.amount for item in waiting(api, ten)] == [-500, 1500]


def test_a_second_change_credits_each_debit_once(api: Any, ten: Any) -> None:
    swap(api, ten, price(api, 2000), proration_date=half_of(ten))
    item = ten["items"].data[0]
    three_quarters = item.current_period_end - (item.current_period_end - half_of(ten)) // 2
    swap(api, api.subscriptions.retrieve(ten.id), price(api, 4000), proration_date=three_quarters)
    found = [item.amount for item in waiting(api, ten)]
    assert found == [-500, 1000, -500, 1000]
    assert waiting(api, ten)[2].proration_details.credited_items.type == "invoice_item"


def test_a_downgrade_becomes_credit_that_later_invoices_use_up(
    api: Any, local: Local, ten: Any
) -> None:
    more = {"proration_behavior": "always_invoice", "proration_date": half_of(ten)}
    changed = swap(api, ten, price(api, 400), **more)
    bill = api.invoices.retrieve(changed.latest_invoice)
    assert (bill.total, bill.amount_due, bill.status, bill.ending_balance) == (
        -300,
        0,
        "paid",
        -300,
    )
    assert api.customers.retrieve(ten.customer).balance == -300
    assert api.invoice_payments.list({"invoice": bill.id}).data == []
    local.advance(to=ten["items"].data[0].current_period_end + 3600)
    renewal = api.invoices.retrieve(api.subscriptions.retrieve(ten.id).latest_invoice)
    assert (renewal.total, renewal.starting_balance, renewal.amount_due) == (400, -300, 100)
    assert (renewal.amount_paid, renewal.ending_balance) == (100, 0)
    assert api.customers.retrieve(ten.customer).balance == 0


def test_another_interval_begins_a_new_period_now(api: Any, ten: Any) -> None:
    changed = swap(api, ten, price(api, 10000, "year"), proration_date=half_of(ten))
    bill = api.invoices.retrieve(changed.latest_invoice)
    assert (amounts(api, bill), bill.status) == ([-500, 10000], "paid")
    item = changed["items"].data[0]
    assert item.current_period_end - item.current_period_start >= 365 * 86400
    assert changed.billing_cycle_anchor == item.current_period_start


def test_an_item_of_another_interval_beside_it_leaves_the_period_as_it_is(
    api: Any, local: Local, ten: Any
) -> None:
    asked = {"subscription": ten.id, "price": price(api, 10000, "year")}
    yearly = api.subscription_items.create(asked | {"proration_behavior": "always_invoice"})
    changed = api.subscriptions.retrieve(ten.id)
    assert api.invoices.retrieve(changed.latest_invoice).total in {9999, 10000}
    assert changed.billing_cycle_anchor == ten.billing_cycle_anchor
    local.advance(to=ten["items"].data[0].current_period_end + 3600)
    bill = api.invoices.retrieve(api.subscriptions.retrieve(ten.id).latest_invoice)
    assert amounts(api, bill) == [1000]
    kept = api.subscription_items.list({"subscription": ten.id}).data[1]
    assert (kept.id, kept.current_period_end) == (yearly.id, yearly.current_period_end)


def test_the_anchor_can_be_set_to_now(api: Any, local: Local, ten: Any) -> None:
    local.advance(to=half_of(ten))
    changed = api.subscriptions.update(ten.id, {"billing_cycle_anchor": {"type": "now"}})
    bill = api.invoices.retrieve(changed.latest_invoice)
    credit, full = amounts(api, bill)
    assert (-501 <= credit <= -499, full) == (True, 1000)
    assert changed["items"].data[0].current_period_start == changed.billing_cycle_anchor


def test_items_come_change_and_go_by_themselves(api: Any, ten: Any) -> None:
    extra = price(api, 300)
    asked = {"subscription": ten.id, "price": extra, "proration_behavior": "none"}
    item = api.subscription_items.create(asked)
    assert len(api.subscription_items.list({"subscription": ten.id}).data) == 2
    more = {"items": [{"id": item.id, "quantity": 3}], "proration_behavior": "none"}
    changed = api.subscriptions.update(ten.id, more)["items"].data[1]
    assert (changed.quantity, changed.price.id) == (3, extra)
    gone = {"items": [{"id": item.id, "deleted": True}], "proration_behavior": "none"}
    assert len(api.subscriptions.update(ten.id, gone)["items"].data) == 1
    last = [{"id": ten["items"].data[0].id, "deleted": True}]
    with pytest.raises(stripe.InvalidRequestError, match="at least one"):
        api.subscriptions.update(ten.id, {"items": last})


def test_an_upgrade_that_cannot_be_paid_makes_it_past_due(api: Any, subscribe: Subscribe) -> None:
    made, dear = subscribe(FAILS_LATER), price(api, 4000)
    assert swap(api, made, dear, proration_behavior="always_invoice").status == "past_due"


def test_many_lines_are_shown_ten_at_a_time(api: Any, ten: Any) -> None:
    for n in range(12):
        item = {"customer": ten.customer, "amount": 100 + n, "currency": "gbp"}
        api.invoice_items.create(item)
    params = {"customer": ten.customer, "pending_invoice_items_behavior": "include"}
    bill = api.invoices.create(params)
    assert (len(bill.lines.data), bill.lines.has_more) == (10, True)
    assert amounts(api, bill) == [100 + n for n in range(12)]
    page = api.invoices.line_items.list(bill.id, {"limit": 5})
    assert [line.amount for line in page.auto_paging_iter()] == amounts(api, bill)


def test_a_preview_shows_a_change_and_keeps_nothing_of_it(api: Any, ten: Any) -> None:
    seen = len(api.events.list({"limit": 100}).data)
    items = [{"id": ten["items"].data[0].id, "price": price(api, 2000)}]
    made = len(api.events.list({"limit": 100}).data) - seen
    details = {"items": items, "proration_date": half_of(ten)}
    shown = api.invoices.create_preview({"subscription": ten.id, "subscription_details": details})
    assert [line.amount for line in shown.lines.data] == [-500, 1000, 2000]
    assert (shown.amount_due, shown.status, shown.id[:11]) == (2500, "draft", "upcoming_in")
    assert api.subscriptions.retrieve(ten.id)["items"].data[0].price.unit_amount == 1000
    assert (waiting(api, ten), len(api.events.list({"limit": 100}).data)) == ([], seen + made)
    details |= {"proration_behavior": "always_invoice"}
    now = api.invoices.create_preview({"subscription": ten.id, "subscription_details": details})
    assert (now.billing_reason, now.amount_due) == ("subscription_update", 500)


@given(st.integers(0, _FOREVER), st.integers(1, _FOREVER), st.data())
def test_what_is_used_and_what_is_left_of_a_debit_are_all_of_it(
    amount: int, whole: int, data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, whole))
    used, left = share(amount, part, whole), share(amount, whole - part, whole)
    assert used + left - amount in {0, 1}
    assert share(-amount, part, whole) == -used
    assert 0 <= used <= amount
