"""Every way through a subscription's life, and the events that tell of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import FAILS_LATER, Local, price

_HOUR, _DAY = 3600, 86400
Begin = Callable[..., Any]


def kinds(api: Any) -> Counter[str]:
    return Counter(e.type for e in api.events.list({"limit": 100}).auto_paging_iter())


def bill_of(api: Any, subscription: Any) -> Any:
    return api.invoices.retrieve(api.subscriptions.retrieve(subscription.id).latest_invoice)


def test_one_begun_by_the_api_is_active_once_its_first_invoice_is_paid(
    api: Any, begin: Begin
) -> None:
    made = begin(items=[{"price": price(api, 700)}, {"price": price(api, 200), "quantity": 2}])
    bill = bill_of(api, made)
    assert (made.status, bill.status, bill.amount_paid) == ("active", "paid", 1100)
    assert bill.billing_reason == "subscription_create"


def test_one_whose_first_payment_fails_is_incomplete_and_expires_after_23_hours(
    api: Any, local: Local, begin: Begin
) -> None:
    made = begin(FAILS_LATER)
    assert (made.status, bill_of(api, made).status) == ("incomplete", "open")
    local.advance(seconds=23 * _HOUR - 60)
    assert api.subscriptions.retrieve(made.id).status == "incomplete"
    local.advance(seconds=60)
    gone = api.subscriptions.retrieve(made.id)
    assert (gone.status, bill_of(api, made).status) == ("incomplete_expired", "void")
    assert api.subscriptions.list({"customer": made.customer}).data == []


def test_an_incomplete_one_is_active_as_soon_as_its_invoice_is_paid(
    api: Any, begin: Begin, subscribe: Begin
) -> None:
    made = begin(FAILS_LATER)
    good = subscribe(customer=made.customer).default_payment_method
    api.invoices.pay(made.latest_invoice, {"payment_method": good})
    assert api.subscriptions.retrieve(made.id).status == "active"


def test_nothing_begins_without_a_way_to_pay(begin: Begin) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        begin(None)


def test_a_trial_costs_nothing_is_spoken_of_three_days_before_its_end_and_then_is_paid(
    api: Any, local: Local, begin: Begin
) -> None:
    made = begin(trial_period_days=14)
    bill = bill_of(api, made)
    assert (made.status, bill.total, bill.status, bill.attempt_count) == ("trialing", 0, "paid", 0)
    assert made["items"].data[0].current_period_end == made.trial_end
    local.advance(to=made.trial_end - 3 * _DAY - 60)
    assert kinds(api)["customer.subscription.trial_will_end"] == 0
    local.advance(seconds=60)
    assert kinds(api)["customer.subscription.trial_will_end"] == 1
    local.advance(to=made.trial_end + _HOUR)
    paid = api.subscriptions.retrieve(made.id)
    assert (paid.status, bill_of(api, made).amount_paid) == ("active", 1000)
    assert paid["items"].data[0].current_period_start == made.trial_end == paid.billing_cycle_anchor
    assert kinds(api)["customer.subscription.trial_will_end"] == 1


def test_a_trial_can_be_ended_now_or_given_to_who_pays_already(
    api: Any, local: Local, begin: Begin
) -> None:
    made = begin(trial_period_days=2)
    local.advance(seconds=1)
    assert kinds(api)["customer.subscription.trial_will_end"] == 1  # shorter than three days
    now = api.subscriptions.update(made.id, {"trial_end": "now"})
    assert (now.status, bill_of(api, made).amount_paid) == ("active", 1000)
    later = now["items"].data[0].current_period_end + _DAY
    again = api.subscriptions.update(made.id, {"trial_end": later})
    assert (again.status, again["items"].data[0].current_period_end) == ("trialing", later)
    assert api.customers.retrieve(made.customer).balance in {-999, -1000}


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")],
)
def test_a_trial_that_ends_without_a_card_does_as_it_was_told(
    api: Any, local: Local, begin: Begin, behaviour: str, status: str
) -> None:
    settings = {"end_behavior": {"missing_payment_method": behaviour}}
    made = begin(None, trial_period_days=7, trial_settings=settings)
    local.advance(to=made.trial_end + _HOUR)
    ended = api.subscriptions.retrieve(made.id)
    assert ended.status == status
    if status == "paused":
        reason = ended.status_details.paused.subscription.type
        assert reason == "trial_end_without_payment_method"
        assert kinds(api)["customer.subscription.paused"] == 1


def test_a_renewal_is_announced_a_week_before_without_an_id(
    api: Any, local: Local, begin: Begin
) -> None:
    made = begin()
    end = made["items"].data[0].current_period_end
    local.advance(to=end - 7 * _DAY - 60)
    assert kinds(api)["invoice.upcoming"] == 0
    local.advance(seconds=60)
    told = api.events.list({"type": "invoice.upcoming"}).data[0].data.object
    assert ("id" in told, told.amount_due, told.period_end) == (False, 1000, end)
    api.subscriptions.update(made.id, {"metadata": {"seen": "yes"}})
    local.advance(to=end)
    assert kinds(api)["invoice.upcoming"] == 1


def test_one_that_is_paused_makes_no_invoices_and_credits_what_is_left(
    api: Any, local: Local, begin: Begin
) -> None:
    made = begin()
    middle = made.created + (made["items"].data[0].current_period_end - made.created) // 2
    local.advance(to=middle)
    paused = api.subscriptions.pause(made.id)
    assert (paused.status, paused.status_details.paused.type) == ("paused", "subscription")
    assert paused.status_details.paused.subscription.type == "pause_requested"
    (credit,) = api.invoice_items.list({"customer": made.customer, "pending": True}).data
    assert credit.amount in {-500, -499}
    assert kinds(api)["customer.subscription.paused"] == 1
    local.advance(days=90)
    assert len(api.invoices.list({"subscription": made.id}).data) == 1
    asked = {"payment_behavior": "resume_on_payment_success"}
    back = api.subscriptions.resume(made.id, asked)
    assert (back.status, "status_details" in back) == ("active", False)
    assert bill_of(api, made).amount_paid == 1000 + credit.amount
    assert back.billing_cycle_anchor > middle
    assert kinds(api)["customer.subscription.resumed"] == 1


def test_a_resumption_waits_for_its_invoice_and_is_given_up_after_23_hours(
    api: Any, local: Local, begin: Begin
) -> None:
    made = begin()
    local.advance(to=made["items"].data[0].current_period_end - 60)
    api.subscriptions.pause(made.id)  # nothing is left to credit
    assert api.subscriptions.resume(made.id).status == "paused"
    bill = bill_of(api, made)
    assert (bill.status, bill.amount_due, bill.attempted) == ("open", 1000, False)
    local.advance(seconds=23 * _HOUR)
    assert (api.invoices.retrieve(bill.id).status, api.subscriptions.retrieve(made.id).status) == (
        "void",
        "paused",
    )
    api.subscriptions.resume(made.id)
    api.invoices.pay(api.subscriptions.retrieve(made.id).latest_invoice)
    assert api.subscriptions.retrieve(made.id).status == "active"


def test_one_resumed_within_its_period_goes_on_as_if_nothing_had_been(
    api: Any, begin: Begin
) -> None:
    made = begin()
    api.subscriptions.pause(made.id)
    back = api.subscriptions.resume(made.id, {"billing_cycle_anchor": {"type": "unchanged"}})
    assert back.status == "active"
    assert back.billing_cycle_anchor == made.billing_cycle_anchor
    waiting = api.invoice_items.list({"customer": made.customer, "pending": True}).data
    assert sum(item.amount for item in waiting) == 0


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")],
)
def test_while_collection_is_paused_invoices_come_and_are_not_collected(
    api: Any, local: Local, begin: Begin, behaviour: str, status: str
) -> None:
    made = begin()
    end = made["items"].data[0].current_period_end
    pause = {"behavior": behaviour, "resumes_at": end + 2 * _DAY}
    api.subscriptions.update(made.id, {"pause_collection": pause})
    local.advance(to=end + _DAY)
    assert (api.subscriptions.retrieve(made.id).status, bill_of(api, made).status) == (
        "active",
        status,
    )
    local.advance(days=1)
    assert api.subscriptions.retrieve(made.id).pause_collection is None


@pytest.mark.parametrize(("setting", "status"), [(0, "canceled"), (1, "unpaid"), (2, "past_due")])
def test_when_every_retry_has_failed_it_becomes_what_the_account_says(
    api: Any, local: Local, subscribe: Begin, setting: int, status: str
) -> None:
    local.post("settings", after_retries=setting)
    made = subscribe(FAILS_LATER)
    end = made["items"].data[0].current_period_end
    local.advance(to=end + 15 * _DAY)
    assert api.subscriptions.retrieve(made.id).status == status
    local.advance(days=31)
    drafts = api.invoices.list({"subscription": made.id, "status": "draft"}).data
    assert len(drafts) == (1 if status == "unpaid" else 0)


def test_an_unpaid_one_is_active_again_when_its_newest_invoice_is_paid(
    api: Any, local: Local, subscribe: Begin
) -> None:
    local.post("settings", after_retries=1)
    made = subscribe(FAILS_LATER)
    local.advance(to=made["items"].data[0].current_period_end + 15 * _DAY)
    good = subscribe(customer=made.customer).default_payment_method
    api.invoices.pay(made.latest_invoice and bill_of(api, made).id, {"payment_method": good})
    assert api.subscriptions.retrieve(made.id).status == "active"


def test_an_end_may_be_set_to_a_moment_and_taken_back(api: Any, local: Local, begin: Begin) -> None:
    made = begin()
    end = made["items"].data[0].current_period_end
    asked = api.subscriptions.update(made.id, {"cancel_at": end})
    assert (asked.cancel_at, asked.cancel_at_period_end) == (end, False)
    assert api.subscriptions.update(made.id, {"cancel_at": ""}).cancel_at is None
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        api.subscriptions.update(made.id, {"cancel_at": end, "cancel_at_period_end": True})
    details = {"comment": "too dear", "feedback": "too_expensive"}
    later = {"cancel_at": end - _DAY, "cancellation_details": details}
    assert api.subscriptions.update(made.id, later).cancellation_details.comment == "too dear"
    local.advance(to=end - _DAY)
    gone = api.subscriptions.retrieve(made.id)
    assert (gone.status, gone.ended_at) == ("canceled", end - _DAY)
    said = gone.cancellation_details
    assert (said.feedback, said.reason) == ("too_expensive", "cancellation_requested")


def test_a_card_that_must_be_confirmed_every_time_asks_for_its_owner(
    api: Any, local: Local, begin: Begin, subscribe: Begin
) -> None:
    made = begin(trial_period_days=1)
    page = {"mode": "setup", "currency": "gbp", "customer": made.customer}
    session = api.checkout.sessions.create(page | {"success_url": "http://paper.test/"})
    bank = local.pay(session, "4000002760003184").headers["location"]
    local.http.post(bank, data={"outcome": "confirm"})
    (asks,) = [
        each
        for each in api.payment_methods.list({"customer": made.customer}).data
        if each.id != made.default_payment_method
    ]
    api.subscriptions.update(made.id, {"default_payment_method": asks.id})
    local.advance(to=made.trial_end + _HOUR)
    bill = bill_of(api, made)
    assert (bill.status, bill.attempt_count) == ("open", 1)
    assert api.subscriptions.retrieve(made.id).status == "past_due"
    assert kinds(api)["invoice.payment_action_required"] == 1
    local.advance(days=2)
    charges = api.charges.list({"customer": made.customer}).data
    assert [charge.status for charge in charges] == ["succeeded"]  # that which brought the card
    (asked,) = api.invoice_payments.list({"invoice": bill.id}).data
    intent = api.payment_intents.retrieve(asked.payment.payment_intent)
    local.http.post(intent.next_action.redirect_to_url.url, data={"outcome": "confirm"})
    assert (bill_of(api, made).status, api.subscriptions.retrieve(made.id).status) == (
        "paid",
        "active",
    )
