"""Checkout beyond a simple payment: trials, pages that ask for no card, and what lists tell."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Local

DAY = 86400


@pytest.fixture
def price(api: Any) -> str:
    ident: str = api.prices.create(
        {
            "currency": "gbp",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Digital"},
        }
    ).id
    return ident


def test_a_trial_keeps_the_card_takes_nothing_and_then_charges_it(
    api: Any, local: Local, gift: Any, price: str
) -> None:
    session = gift(
        mode="subscription",
        line_items=[{"price": price, "quantity": 1}],
        subscription_data={"trial_period_days": 14},
    )
    assert (session.amount_total, session.payment_status) == (0, "no_payment_required")
    assert local.pay(session).status_code == 303
    done = api.checkout.sessions.retrieve(session.id)
    begun = api.subscriptions.retrieve(done.subscription)
    assert (begun.status, begun.trial_end) == ("trialing", begun.created + 14 * DAY)
    assert api.payment_methods.retrieve(begun.default_payment_method).customer == done.customer
    assert (api.charges.list().data, api.invoices.retrieve(done.invoice).amount_paid) == ([], 0)
    local.advance(to=begun.trial_end + 3600)
    assert api.subscriptions.retrieve(begun.id).status == "active"
    assert [charge.amount for charge in api.charges.list().data] == [500]


def test_a_trial_may_ask_for_no_card_at_all(api: Any, local: Local, gift: Any, price: str) -> None:
    session = gift(
        mode="subscription",
        line_items=[{"price": price, "quantity": 1}],
        subscription_data={"trial_period_days": 14},
        payment_method_collection="if_required",
    )
    assert 'name="number"' not in local.http.get(session.url).text
    form = {"email": "ada@example.org", "name": "Ada L"}
    assert local.http.post(session.url, data=form).status_code == 303
    done = api.checkout.sessions.retrieve(session.id)
    begun = api.subscriptions.retrieve(done.subscription)
    assert (begun.status, begun.default_payment_method) == ("trialing", None)
    assert api.customers.retrieve(done.customer).email == "ada@example.org"


def test_a_page_lives_as_long_as_it_was_told(api: Any, local: Local, gift: Any) -> None:
    now = local.state()["now"]
    session = gift(expires_at=now + 3600)
    local.advance(seconds=3601)
    assert api.checkout.sessions.retrieve(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="between 30 minutes and 24 hours"):
        gift(expires_at=local.state()["now"] + 60)


def test_a_session_tells_what_it_sells(api: Any, gift: Any) -> None:
    [item] = api.checkout.sessions.line_items.list(gift().id).data
    assert (item.description, item.quantity, item.amount_total) == ("Appeal", 1, 2500)


def test_sessions_are_found_by_status_and_by_what_they_made(
    api: Any, local: Local, gift: Any
) -> None:
    paid, left = gift(), gift()
    local.pay(paid)
    intent = api.checkout.sessions.retrieve(paid.id).payment_intent
    for asked, found in (
        ({"status": "open"}, [left.id]),
        ({"status": "complete"}, [paid.id]),
        ({"payment_intent": intent}, [paid.id]),
        ({"created": {"lt": paid.created - 60}}, []),
    ):
        assert [each.id for each in api.checkout.sessions.list(asked).data] == found


def test_a_coupon_comes_off_what_is_due_and_stays_with_the_subscription(
    api: Any, local: Local, gift: Any, price: str
) -> None:
    coupon = api.coupons.create({"percent_off": 20, "duration": "forever"}).id
    session = gift(
        mode="subscription",
        line_items=[{"price": price, "quantity": 1}],
        discounts=[{"coupon": coupon}],
    )
    assert (session.amount_subtotal, session.amount_total) == (500, 400)
    assert (session.total_details.amount_discount, session.discounts[0].coupon) == (100, coupon)
    assert "£4.00" in local.http.get(session.url).text
    local.pay(session)
    done = api.checkout.sessions.retrieve(session.id)
    assert api.invoices.retrieve(done.invoice).amount_paid == 400
    assert len(api.subscriptions.retrieve(done.subscription).discounts) == 1
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        gift(discounts=[{"coupon": coupon}], allow_promotion_codes=True)


def test_a_promotion_code_is_typed_on_the_page_and_used_up_by_paying(
    api: Any, local: Local, gift: Any
) -> None:
    coupon = api.coupons.create({"amount_off": 500, "currency": "gbp", "duration": "once"}).id
    promotion = {"type": "coupon", "coupon": coupon}
    code = api.promotion_codes.create({"promotion": promotion, "code": "STAR"}).id
    session = gift(allow_promotion_codes=True)
    answer = local.http.post(session.url, data={"apply": "yes", "code": "moon"})
    assert (answer.status_code, "code is invalid" in answer.text) == (402, True)
    answer = local.http.post(session.url, data={"apply": "yes", "code": "star"})
    assert (answer.status_code, "Pay £20.00" in answer.text) == (200, True)
    local.pay(session)
    assert [charge.amount for charge in api.charges.list().data] == [2000]
    assert api.promotion_codes.retrieve(code).times_redeemed == 1
