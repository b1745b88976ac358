"""Bacs Direct Debit: the page, the mandate, the days nobody knows, and how it ends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import stripe

from tests.sandbox.conftest import Local

PAID, NO_FUNDS, UNAUTHORIZED = "00012345", "22222227", "33333335"
REFUSED, INVALID = "00033333", "00044444"
Debit = Callable[..., httpx2.Response]
Offer = Callable[..., Any]


@pytest.fixture
def debit(local: Local) -> Debit:
    """Pay by a bank account on an account that takes Bacs."""
    local.post("settings", bacs_debit=1)

    def pay(session: Any, number: str = PAID, **fields: str) -> httpx2.Response:
        form = {"by": "bacs_debit", "sort_code": "10-88-00", "line1": "1 High St"}
        form |= {"postal_code": "CR0 1BD", "agreed": "yes"}
        return local.pay(session, number, **(form | fields))

    return pay


@pytest.fixture
def offer(api: Any, gift: Any) -> Offer:
    """Open a payment page for a subscription."""

    def open_page(**more: Any) -> Any:
        price = api.prices.create(
            {
                "currency": "gbp",
                "unit_amount": 500,
                "recurring": {"interval": "month"},
                "product_data": {"name": "Digital"},
            }
        )
        return gift(mode="subscription", line_items=[{"price": price.id, "quantity": 1}], **more)

    return open_page


def business_days_after(moment: int, days: int) -> int:
    day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0)
    while days:
        day += timedelta(days=1)
        days -= day.isoweekday() < 6
    return int(day.timestamp())


def happened(api: Any) -> list[str]:
    listed = api.events.list({"limit": 100}).data
    return [e.type for e in listed if not e.type.startswith(("product.", "price."))][::-1]


def charged(api: Any, session: Any) -> Any:
    paid = api.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    return paid.payment_intent.latest_charge


def mandate_of(api: Any, charge: Any) -> Any:
    return api.mandates.retrieve(charge.payment_method_details.bacs_debit.mandate)


def test_a_debit_is_submitted_and_nobody_knows_for_seven_business_days(
    api: Any, local: Local, gift: Any, debit: Debit
) -> None:
    session = gift()

    answer = debit(session)

    assert answer.status_code == 303
    done = api.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    assert done.payment_method_types == ["card", "bacs_debit"]
    assert done.payment_intent.status == "processing"
    charge = charged(api, session)
    assert (charge.id[:3], charge.status, charge.paid) == ("py_", "pending", False)
    assert (charge.balance_transaction, charge.amount) == (None, 2500)
    assert charge.payment_method_details.bacs_debit.sort_code == "10-88-00"
    assert mandate_of(api, charge).status == "pending"
    due = business_days_after(charge.created, 7)
    local.advance(to=due - 60)
    assert mandate_of(api, charge).status == "active"
    assert api.payment_intents.retrieve(done.payment_intent.id).status == "processing"
    assert happened(api)[-1] == "mandate.updated"

    local.advance(to=due)

    assert api.checkout.sessions.retrieve(session.id).payment_status == "paid"
    moved = api.balance_transactions.retrieve(charged(api, session).balance_transaction)
    assert (moved.type, moved.reporting_category) == ("payment", "charge")
    assert (moved.amount, moved.fee, moved.net) == (2500, 25, 2475)
    assert happened(api) == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "checkout.session.completed",
        "mandate.updated",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.async_payment_succeeded",
    ]


@pytest.mark.parametrize(
    ("number", "code", "mandate"),
    [
        (NO_FUNDS, "insufficient_funds", "active"),
        (UNAUTHORIZED, "debit_not_authorized", "inactive"),
        (REFUSED, "debit_not_authorized", "inactive"),
    ],
)
def test_a_debit_that_fails_takes_no_money_and_may_end_the_mandate(
    api: Any, local: Local, gift: Any, debit: Debit, number: str, code: str, mandate: str
) -> None:
    session = gift()
    debit(session, number)
    intent = api.checkout.sessions.retrieve(session.id).payment_intent

    local.advance(days=14)

    failed = api.payment_intents.retrieve(intent, {"expand": ["latest_charge"]})
    assert (failed.status, failed.last_payment_error.code) == ("requires_payment_method", code)
    charge = failed.latest_charge
    assert (charge.status, charge.failure_code, charge.balance_transaction) == (
        "failed",
        code,
        None,
    )
    assert mandate_of(api, charge).status == mandate
    session = api.checkout.sessions.retrieve(session.id)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    told = ["charge.failed", "payment_intent.payment_failed"]
    assert [kind for kind in happened(api)[-5:] if kind in told] == told
    assert happened(api)[-1] == "checkout.session.async_payment_failed"


def test_an_account_number_that_cannot_be_is_refused_on_the_page(
    api: Any, gift: Any, debit: Debit
) -> None:
    session = gift()
    answer = debit(session, INVALID)
    assert (answer.status_code, "not valid" in answer.text) == (402, True)
    assert api.payment_intents.list().data == []
    assert "Confirm that you may" in debit(session, agreed="").text
    assert "no real account is accepted" in debit(session, "12345678").text


def test_the_page_offers_what_the_account_has_and_the_session_allows(
    api: Any, local: Local, gift: Any
) -> None:
    assert gift().payment_method_types == ["card"]
    local.post("settings", bacs_debit=1)
    assert gift(excluded_payment_method_types=["bacs_debit"]).payment_method_types == ["card"]
    only = gift(allowed_payment_method_types=["bacs_debit"])
    assert only.payment_method_types == ["bacs_debit"]
    assert 'name="sort_code"' in local.http.get(only.url).text
    both = gift()
    assert 'name="cvc"' in local.http.get(both.url).text
    assert 'name="sort_code"' in local.http.get(f"{both.url}?by=bacs_debit").text
    euros = {"currency": "eur", "unit_amount": 900, "product_data": {"name": "Appeal"}}
    assert gift(line_items=[{"price_data": euros}]).payment_method_types == ["card"]
    with pytest.raises(stripe.InvalidRequestError, match="No valid payment method"):
        gift(allowed_payment_method_types=["paypal"])


def test_a_subscription_paid_by_debit_is_active_at_once_and_its_invoice_open_until_the_bank_pays(
    api: Any, local: Local, offer: Offer, debit: Debit
) -> None:
    page = offer()
    debit(page)
    session = api.checkout.sessions.retrieve(page.id)
    begun = api.subscriptions.retrieve(session.subscription)
    assert (session.payment_status, begun.status) == ("unpaid", "active")
    method = api.payment_methods.retrieve(begun.default_payment_method)
    assert (method.type, method.customer) == ("bacs_debit", session.customer)
    bill = api.invoices.retrieve(session.invoice)
    assert (bill.status, bill.attempt_count, bill.amount_remaining) == ("open", 1, 500)

    local.advance(days=14)

    bill = api.invoices.retrieve(session.invoice)
    assert (bill.status, bill.attempt_count, bill.amount_paid) == ("paid", 1, 500)
    assert api.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert api.subscriptions.retrieve(begun.id).status == "active"


def test_a_first_debit_that_fails_leaves_the_subscription_past_due(
    api: Any, local: Local, offer: Offer, debit: Debit
) -> None:
    page = offer()
    debit(page, UNAUTHORIZED)
    local.advance(days=11)
    session = api.checkout.sessions.retrieve(page.id)
    assert api.subscriptions.retrieve(session.subscription).status == "past_due"
    assert api.invoices.retrieve(session.invoice).status == "open"
    assert session.payment_status == "unpaid"


def test_a_renewal_is_debited_with_nobody_there_and_takes_four_business_days(
    api: Any, local: Local, offer: Offer, debit: Debit
) -> None:
    page = offer()
    debit(page)
    ident = api.checkout.sessions.retrieve(page.id).subscription
    local.advance(to=api.subscriptions.retrieve(ident)["items"].data[0].current_period_end + 3600)
    renewed = api.subscriptions.retrieve(ident, {"expand": ["latest_invoice"]})
    assert (renewed.status, renewed.latest_invoice.status) == ("active", "open")
    [charge] = api.charges.list({"limit": 1}).data
    assert charge.status == "pending"
    due = business_days_after(charge.created, 4)
    local.advance(to=due - 60)
    assert api.invoices.retrieve(renewed.latest_invoice.id).status == "open"
    local.advance(to=due)
    assert api.invoices.retrieve(renewed.latest_invoice.id).status == "paid"


def test_without_a_mandate_a_renewal_fails_at_once_and_no_charge_is_made(
    api: Any, local: Local, offer: Offer, debit: Debit
) -> None:
    page = offer()
    debit(page)
    local.advance(days=14)
    ident = api.checkout.sessions.retrieve(page.id).subscription
    [charge] = api.charges.list().data
    local.post(f"mandates/{mandate_of(api, charge).id}/cancel")
    local.advance(to=api.subscriptions.retrieve(ident)["items"].data[0].current_period_end + 3600)
    assert api.subscriptions.retrieve(ident).status == "past_due"
    [failed] = api.payment_intents.list({"limit": 1}).data
    assert failed.last_payment_error.code == "payment_intent_mandate_invalid"
    assert [c.id for c in api.charges.list().data] == [charge.id]


def test_a_debit_on_its_way_ends_though_the_customer_is_gone(
    api: Any, local: Local, offer: Offer, debit: Debit
) -> None:
    page = offer()
    debit(page)
    session = api.checkout.sessions.retrieve(page.id)
    api.customers.delete(session.customer)
    local.advance(days=11)
    [charge] = api.charges.list().data
    assert charge.status == "succeeded"
    assert api.checkout.sessions.retrieve(page.id).payment_status == "paid"
    assert api.subscriptions.retrieve(session.subscription).status == "canceled"
