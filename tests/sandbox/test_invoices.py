"""Invoices: made by hand or by a subscription, paid, voided, given up, and what comes off them."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine.discounts import off
from tests.sandbox.conftest import CARD, DECLINED, FAILS_LATER, Local, price
from tests.sandbox.test_lives import Begin, bill_of, kinds

_HOUR, _DAY = 3600, 86400


@pytest.fixture
def owe(api: Any) -> Callable[..., Any]:
    """Invoice somebody by hand, and leave it to be paid."""

    def owe(amount: int = 1500, **customer: Any) -> Any:
        ident = customer.get("id") or api.customers.create({"name": "Ada"}).id
        draft = api.invoices.create({"customer": ident})
        item = {"customer": ident, "invoice": draft.id, "amount": amount, "currency": "gbp"}
        api.invoice_items.create(item | {"description": "Bound volume"})
        return api.invoices.finalize_invoice(draft.id)

    return owe


def test_an_invoice_without_a_subscription_is_of_nothing_but_its_items(
    api: Any, owe: Callable[..., Any]
) -> None:
    bill = owe()
    assert (bill.parent, bill.billing_reason, bill.status) == (None, "manual", "open")
    assert (bill.amount_due, bill.lines.data[0].description) == (1500, "Bound volume")
    assert bill.lines.data[0].parent.type == "invoice_item_details"
    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        api.invoices.finalize_invoice(bill.id)


def test_an_item_can_be_taken_off_a_draft_again(api: Any) -> None:
    customer = api.customers.create().id
    draft = api.invoices.create({"customer": customer})
    item = {"customer": customer, "invoice": draft.id, "amount": 700, "currency": "gbp"}
    made = [api.invoice_items.create(item).id for _ in range(2)]
    assert api.invoices.retrieve(draft.id).amount_due == 1400
    assert api.invoice_items.delete(made[0]).deleted
    assert api.invoices.retrieve(draft.id).amount_due == 700
    assert [each.id for each in api.invoice_items.list({"invoice": draft.id}).data] == made[1:]


def test_the_hosted_page_takes_a_test_card_and_says_when_it_is_declined(
    api: Any, local: Local, owe: Callable[..., Any]
) -> None:
    bill = owe()
    assert "To pay" in local.http.get(bill.hosted_invoice_url).text
    form = {"expiry": "12 / 40", "cvc": "123", "name": "Ada L"}
    declined = local.http.post(bill.hosted_invoice_url, data=form | {"number": DECLINED})
    assert (declined.status_code, "declined" in declined.text) == (402, True)
    assert api.invoices.retrieve(bill.id).attempt_count == 1
    local.http.post(bill.hosted_invoice_url, data=form | {"number": CARD})
    paid = api.invoices.retrieve(bill.id)
    assert (paid.status, paid.amount_paid) == ("paid", 1500)
    assert "Card number" not in local.http.get(bill.hosted_invoice_url).text


def test_a_card_can_be_confirmed_from_the_hosted_page(
    api: Any, local: Local, owe: Callable[..., Any]
) -> None:
    bill = owe()
    form = {"number": "4000002760003155", "expiry": "12 / 40", "cvc": "123", "name": "Ada L"}
    bank = local.http.post(bill.hosted_invoice_url, data=form).headers["location"]
    assert local.http.post(bank, data={"outcome": "confirm"}).headers["location"] == (
        bill.hosted_invoice_url
    )
    paid = api.invoices.retrieve(bill.id)
    assert (paid.status, paid.attempt_count) == ("paid", 1)


def test_a_refused_payment_is_answered_402_and_was_tried_all_the_same(
    api: Any, subscribe: Begin, owe: Callable[..., Any]
) -> None:
    paid = subscribe(FAILS_LATER)
    bill = owe(id=paid.customer)
    with pytest.raises(stripe.CardError) as caught:
        api.invoices.pay(bill.id, {"payment_method": paid.default_payment_method})
    assert (caught.value.code, caught.value.http_status) == ("card_declined", 402)
    tried = api.invoices.retrieve(bill.id)
    assert (tried.status, tried.attempt_count) == ("open", 1)
    assert kinds(api)["invoice.payment_failed"] == kinds(api)["charge.failed"] == 1


def test_an_invoice_may_be_voided_or_given_up(api: Any, owe: Callable[..., Any]) -> None:
    void = api.invoices.void_invoice(owe().id)
    assert (void.status, api.payment_intents.list().data[0].status) == ("void", "canceled")
    lost = api.invoices.mark_uncollectible(owe().id)
    reason = lost.status_details.uncollectible.reason
    assert (lost.status, reason) == ("uncollectible", "user_forgiven")
    assert api.charges.list().data == []
    seen = kinds(api)
    assert (seen["invoice.voided"], seen["invoice.marked_uncollectible"]) == (1, 1)
    (asked,) = api.invoice_payments.list({"invoice": void.id}).data
    assert asked.status == "canceled"


def test_giving_up_the_newest_invoice_makes_a_subscription_active_again(
    api: Any, local: Local, subscribe: Begin
) -> None:
    made = subscribe(FAILS_LATER)
    local.advance(to=made["items"].data[0].current_period_end + _HOUR)
    assert api.subscriptions.retrieve(made.id).status == "past_due"
    api.invoices.mark_uncollectible(bill_of(api, made).id)
    assert api.subscriptions.retrieve(made.id).status == "active"


def test_voiding_gives_back_the_credit_that_was_used(api: Any, owe: Callable[..., Any]) -> None:
    customer = api.customers.create({"balance": -400}).id
    bill = owe(1000, id=customer)
    assert (bill.amount_due, bill.starting_balance, bill.ending_balance) == (600, -400, 0)
    assert api.customers.retrieve(customer).balance == 0
    api.invoices.void_invoice(bill.id)
    assert api.customers.retrieve(customer).balance == -400


def test_less_than_the_smallest_charge_is_carried_to_the_next_invoice(
    api: Any, owe: Callable[..., Any]
) -> None:
    customer = api.customers.create().id
    small = owe(20, id=customer)
    assert (small.status, small.amount_due, small.ending_balance) == ("paid", 0, 20)
    assert owe(100, id=customer).amount_due == 120


@pytest.fixture
def debited(api: Any, local: Local, subscribe: Begin) -> Callable[[str], Any]:
    """A subscription paid by card at first, and from then on by debits of a bank account."""

    def debited(account: str) -> Any:
        local.post("settings", bacs_debit=1)
        made = subscribe()
        page = {"mode": "setup", "currency": "gbp", "customer": made.customer}
        page |= {"allowed_payment_method_types": ["bacs_debit"]}
        session = api.checkout.sessions.create(page | {"success_url": "http://paper.test/"})
        form = {"sort_code": "108800", "line1": "1 Row", "postal_code": "CR0 1BD"}
        assert local.pay(session, account, **form, agreed="yes").status_code == 303
        setup = api.setup_intents.retrieve(api.checkout.sessions.retrieve(session.id).setup_intent)
        given = {"default_payment_method": setup.payment_method}
        return api.subscriptions.update(made.id, given)

    return debited


def test_an_invoice_stays_open_while_its_debit_is_processing_and_is_then_paid(
    api: Any, local: Local, debited: Callable[[str], Any]
) -> None:
    made = debited("00012345")
    local.advance(to=made["items"].data[0].current_period_end + _HOUR)
    bill = bill_of(api, made)
    assert (bill.status, bill.attempt_count, bill.next_payment_attempt) == ("open", 1, None)
    local.advance(days=8)
    paid = bill_of(api, made)
    assert (paid.status, paid.attempt_count) == ("paid", 1)
    assert api.subscriptions.retrieve(made.id).status == "active"


def test_no_debit_is_tried_again_once_its_mandate_is_dead(
    api: Any, local: Local, debited: Callable[[str], Any]
) -> None:
    made = debited("33333335")
    end = made["items"].data[0].current_period_end
    local.advance(to=end + _HOUR)
    assert api.subscriptions.retrieve(made.id).status == "active"
    local.advance(to=end + 11 * _DAY)
    failed = bill_of(api, made)
    assert (failed.status, failed.next_payment_attempt > end + 10 * _DAY) == ("open", True)
    assert api.subscriptions.retrieve(made.id).status == "past_due"
    local.advance(days=5)
    statuses = [charge.status for charge in api.charges.list({"customer": made.customer}).data]
    assert statuses == ["failed", "succeeded"]
    assert kinds(api)["invoice.payment_failed"] == 1
    assert api.subscriptions.retrieve(made.id).status == "canceled"


def coupon(api: Any, **terms: Any) -> Any:
    return [{"coupon": api.coupons.create(terms).id}]


def test_a_discount_for_once_a_while_or_for_ever_comes_off_so_many_invoices(
    api: Any,
    local: Local,
    begin: Begin,
) -> None:
    terms = [
        {"percent_off": 50, "duration": "once"},
        {"amount_off": 300, "currency": "gbp", "duration": "repeating", "duration_in_months": 2},
        {"percent_off": 33.3, "duration": "forever"},
    ]
    made = [begin(discounts=coupon(api, **each)) for each in terms]
    local.advance(days=62)
    paid = [
        [bill.amount_paid for bill in api.invoices.list({"subscription": each.id}).data][::-1]
        for each in made
    ]
    assert paid == [[500, 1000, 1000], [700, 700, 1000], [667, 667, 667]]
    assert [len(api.subscriptions.retrieve(each.id).discounts) for each in made] == [0, 0, 1]
    assert kinds(api)["customer.discount.deleted"] == 1  # within the last thirty days


def test_a_whole_discount_is_an_invoice_of_nothing_paid_without_a_payment(
    api: Any,
    begin: Begin,
) -> None:
    made = begin(None, discounts=coupon(api, percent_off=100, duration="once"))
    bill = api.invoices.retrieve(made.latest_invoice, {"expand": ["discounts"]})
    assert (made.status, bill.status, bill.subtotal, bill.total) == ("active", "paid", 1000, 0)
    assert bill.discounts[0].source.coupon == api.coupons.list().data[0].id
    assert bill.total_discount_amounts[0].amount == 1000
    assert api.charges.list({"customer": made.customer}).data == []


def test_a_code_is_refused_when_used_up_expired_off_or_for_somebody_else(
    api: Any,
    local: Local,
    begin: Begin,
) -> None:
    ident = api.coupons.create({"percent_off": 10, "duration": "forever"}).id
    promotion = {"promotion": {"type": "coupon", "coupon": ident}}
    other = api.customers.create().id
    codes: dict[str, Any] = {
        "another customer": {"customer": other},
        "inactive": {"active": False},
    }
    for why, terms in codes.items():
        code = api.promotion_codes.create(promotion | terms)
        with pytest.raises(stripe.InvalidRequestError, match=why):
            begin(discounts=[{"promotion_code": code.id}])
    once = api.promotion_codes.create(promotion | {"code": "MAYDAY", "max_redemptions": 1})
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        api.promotion_codes.create(promotion | {"code": "mayday"})
    made = begin(discounts=[{"promotion_code": once.id}])
    held = api.subscriptions.retrieve(made.id, {"expand": ["discounts"]}).discounts[0]
    assert (held.promotion_code, bill_of(api, made).amount_paid) == (once.id, 900)
    assert api.promotion_codes.retrieve(once.id).times_redeemed == 1
    assert api.promotion_codes.list({"code": "MAYDAY", "active": True}).data == []
    soon = api.promotion_codes.create(promotion | {"expires_at": local.state()["now"] + 60})
    local.advance(seconds=60)
    assert not api.promotion_codes.retrieve(soon.id).active
    assert kinds(api)["promotion_code.updated"] == 2


def test_a_credit_is_of_what_was_paid_after_the_discount(
    api: Any,
    begin: Begin,
) -> None:
    made = begin(discounts=coupon(api, percent_off=20, duration="forever"))
    item = made["items"].data[0]
    middle = (item.current_period_start + item.current_period_end) // 2
    items = [{"id": item.id, "price": price(api, 2000)}]
    api.subscriptions.update(made.id, {"items": items, "proration_date": middle})
    waiting = api.invoice_items.list({"customer": made.customer, "pending": True}).data
    assert [each.amount for each in reversed(waiting)] == [-400, 800]


_AMOUNTS = st.lists(st.integers(0, 10**7), min_size=1, max_size=12)


@given(_AMOUNTS, st.integers(1, 10**8))
def test_an_amount_off_is_spread_to_the_penny_and_never_beyond_a_line(
    amounts: list[int], amount_off: int
) -> None:
    (parts,) = off([{"percent_off": None, "amount_off": amount_off}], amounts)
    assert sum(parts) == min(amount_off, sum(amounts))
    assert all(0 <= part <= amount for part, amount in zip(parts, amounts, strict=True))
