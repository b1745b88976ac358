"""3-D Secure: the cardholder confirms, fails, walks away; what is asked of nobody who is away."""

from typing import Any

from tests.sandbox.conftest import Local

ASKS, ASKS_ALWAYS, EXPIRED = "4000002760003155", "4000002760003184", "4000000000000069"


def kinds(api: Any) -> list[str]:
    listed = api.events.list({"limit": 100}).data
    return [e.type for e in listed if not e.type.startswith(("product.", "price."))][::-1]


def asked(api: Any, session: Any) -> Any:
    paid = api.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    return paid.payment_intent


def test_a_cardholder_who_confirms_has_paid(api: Any, local: Local, gift: Any) -> None:
    session = gift()
    answer = local.pay(session, ASKS)
    intent = asked(api, session)
    assert (intent.status, intent.next_action.type) == ("requires_action", "redirect_to_url")
    page = answer.headers["location"]
    assert (answer.status_code, page) == (303, intent.next_action.redirect_to_url.url)
    assert "£25.00" in local.http.get(page).text

    answer = local.http.post(page, data={"outcome": "confirm"})

    expected = f"http://paper.test/thanks?session={session.id}"
    assert (answer.status_code, answer.headers["location"]) == (303, expected)
    assert api.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert kinds(api) == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "charge.updated",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    assert local.http.post(page, data={"outcome": "fail"}).status_code == 410


def test_a_cardholder_who_fails_has_not_and_may_try_another_card(
    api: Any, local: Local, gift: Any
) -> None:
    session = gift()
    page = local.pay(session, ASKS).headers["location"]

    answer = local.http.post(page, data={"outcome": "fail"})

    assert answer.headers["location"] == session.url
    shown = local.http.get(session.url)
    assert (shown.status_code, "failed authentication" in shown.text) == (200, True)
    intent = asked(api, session)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert api.charges.list().data == []
    assert local.pay(session).status_code == 303
    assert asked(api, session).status == "succeeded"


def test_a_subscription_begins_only_when_the_cardholder_has_confirmed(
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
    page = local.pay(session, ASKS).headers["location"]
    assert api.subscriptions.list().data == []
    local.http.post(page, data={"outcome": "fail"})
    page = local.pay(session, ASKS).headers["location"]
    local.http.post(page, data={"outcome": "confirm"})
    begun = api.subscriptions.list().data[0]
    assert begun.status == "active"
    assert [customer.id for customer in api.customers.list().data] == [begun.customer]
    method = api.payment_methods.retrieve(begun.default_payment_method)
    assert method.customer == begun.customer


def test_a_session_left_at_the_bank_expires_and_its_payment_with_it(
    api: Any, local: Local, gift: Any
) -> None:
    session = gift()
    page = local.pay(session, ASKS).headers["location"]
    local.advance(days=1)
    assert asked(api, session).status == "canceled"
    assert local.http.post(page, data={"outcome": "confirm"}).status_code == 410


def test_an_expired_card_is_declined_by_its_own_code(api: Any, local: Local, gift: Any) -> None:
    session = gift()
    assert "has expired" in local.pay(session, EXPIRED).text
    error = asked(api, session).last_payment_error
    assert (error.code, error.decline_code) == ("expired_card", "expired_card")


def test_a_card_that_always_asks_cannot_renew_until_its_holder_confirms(
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
    page = local.pay(session, ASKS_ALWAYS).headers["location"]
    local.http.post(page, data={"outcome": "confirm"})
    [begun] = api.subscriptions.list().data
    local.advance(to=begun["items"].data[0].current_period_end + 3600)
    late = api.subscriptions.retrieve(begun.id)
    assert late.status == "past_due"
    intent = api.payment_intents.list({"limit": 1}).data[0]
    assert intent.status == "requires_action"
    assert len(api.charges.list().data) == 1
    assert "invoice.payment_action_required" in kinds(api)

    page = intent.next_action.redirect_to_url.url
    answer = local.http.post(page, data={"outcome": "confirm"})

    bill = api.invoices.retrieve(late.latest_invoice)
    assert (answer.headers["location"], bill.status) == (bill.hosted_invoice_url, "paid")
    assert api.subscriptions.retrieve(begun.id).status == "active"


def test_a_card_set_up_with_its_holder_there_renews_without_asking(
    api: Any, local: Local, subscribe: Any
) -> None:
    subscription = subscribe()
    params = {"mode": "setup", "customer": subscription.customer, "currency": "gbp"}
    session = api.checkout.sessions.create(params | {"success_url": "http://paper.test/"})
    page = local.pay(session, ASKS).headers["location"]
    local.http.post(page, data={"outcome": "confirm"})
    method = api.setup_intents.retrieve(session.setup_intent).payment_method
    api.subscriptions.update(subscription.id, {"default_payment_method": method})
    local.advance(to=subscription["items"].data[0].current_period_end + 3600)
    [charge] = api.charges.list({"limit": 1}).data
    assert (charge.payment_method, charge.status) == (method, "succeeded")
