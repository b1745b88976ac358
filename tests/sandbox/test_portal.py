"""The customer portal: a new means of payment, and a way back."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import CARD, DECLINED, Local

ASKS = "4000002760003155"
BACK, DONE = "http://paper.test/account", "http://paper.test/done"
Enter = Callable[..., Any]
NEW_CARD = {"number": CARD, "expiry": "12/40", "cvc": "123", "name": "Ada"}
ACCOUNT = {
    "by": "bacs_debit", "number": "00012345", "name": "Ada", "sort_code": "108800",
    "line1": "1 High St", "postal_code": "CR0 1BD", "agreed": "yes",
}  # fmt: skip


@pytest.fixture
def enter(api: Any) -> Enter:
    """Open the portal, or one flow of it, for whoever has a subscription."""

    def go_in(subscription: Any, flow: str = "", **more: Any) -> Any:
        params: dict[str, Any] = {"customer": subscription.customer, "return_url": BACK} | more
        if flow:
            after = {"type": "redirect", "redirect": {"return_url": DONE}}
            params["flow_data"] = {"type": flow, "after_completion": after}
        return api.billing_portal.sessions.create(params)

    return go_in


def usual(api: Any, customer: str) -> Any:
    ident = api.customers.retrieve(customer).invoice_settings.default_payment_method
    return api.payment_methods.retrieve(ident)


def happened(api: Any, *groups: str) -> list[str]:
    return [e.type for e in api.events.list({"limit": 100, "types": list(groups)}).data][::-1]


def test_it_shows_what_one_has_and_the_way_back(local: Local, subscribe: Any, enter: Enter) -> None:
    session = enter(subscribe())
    page = local.http.get(session.url).text
    for shown in ("£5.00 every month, active", f'href="{BACK}"', "/i/in_1", "Means of payment"):
        assert shown in page
    local.advance(seconds=3600)
    assert local.http.get(session.url).status_code == 410


def test_a_new_card_becomes_the_usual_one_and_may_replace_every_other(
    api: Any, local: Local, subscribe: Any, enter: Enter
) -> None:
    subscription = subscribe()
    session = enter(subscription)
    assert local.http.post(session.url, data=NEW_CARD).headers["location"] == session.url
    assert usual(api, subscription.customer).customer == subscription.customer
    kept = api.subscriptions.retrieve(subscription.id).default_payment_method
    assert kept == subscription.default_payment_method
    local.http.post(session.url, data=NEW_CARD | {"everywhere": "yes"})
    assert api.subscriptions.retrieve(subscription.id).default_payment_method is None
    local.advance(to=subscription["items"].data[0].current_period_end + 3600)
    [charge] = api.charges.list({"limit": 1}).data
    assert charge.payment_method == usual(api, subscription.customer).id


def test_a_card_change_tells_each_of_its_steps(
    api: Any, local: Local, subscribe: Any, enter: Enter
) -> None:
    session = enter(subscribe(), "payment_method_update")
    begun = len(happened(api, "payment_method.*", "setup_intent.*", "customer.updated"))
    assert local.http.post(session.url, data=NEW_CARD | {"number": DECLINED}).status_code == 402
    local.http.post(session.url, data=NEW_CARD)
    assert happened(api, "payment_method.*", "setup_intent.*", "customer.updated")[begun:] == [
        "setup_intent.created",
        "setup_intent.setup_failed",
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
        "customer.updated",
    ]
    answer = local.http.get(session.url)
    assert (answer.status_code, answer.headers["location"]) == (303, DONE)


def test_a_card_whose_bank_asks_is_used_only_when_confirmed(
    api: Any, local: Local, subscribe: Any, enter: Enter
) -> None:
    subscription = subscribe()
    session = enter(subscription, "payment_method_update")
    page = local.http.post(session.url, data=NEW_CARD | {"number": ASKS}).headers["location"]
    customer = api.customers.retrieve(subscription.customer)
    assert customer.invoice_settings.default_payment_method is None
    answer = local.http.post(page, data={"outcome": "confirm"})
    assert answer.headers["location"] == session.url
    assert local.http.get(session.url).headers["location"] == DONE
    assert usual(api, subscription.customer).card.last4 == "3155"


def test_an_account_with_a_new_mandate_takes_over_from_a_card(
    api: Any, local: Local, subscribe: Any, enter: Enter
) -> None:
    subscription = subscribe()
    session = enter(subscription)
    assert local.http.post(session.url, data=ACCOUNT).status_code == 402
    local.post("settings", bacs_debit=1)
    assert "Bacs Direct Debit" in local.http.get(f"{session.url}?do=payment_method_update").text
    local.http.post(session.url, data=ACCOUNT | {"everywhere": "yes"})
    method = usual(api, subscription.customer)
    [setup] = [e.data.object for e in api.events.list({"type": "setup_intent.succeeded"}).data]
    assert (setup.payment_method, method.type) == (method.id, "bacs_debit")
    local.advance(days=5)
    assert api.mandates.retrieve(setup.mandate).status == "active"


def test_what_is_not_enabled_is_neither_shown_nor_done(
    api: Any, local: Local, subscribe: Any, enter: Enter
) -> None:
    subscription = subscribe()
    features = {"invoice_history": {"enabled": True}}
    made = api.billing_portal.configurations.create({"features": features})
    assert made.features.subscription_cancel.enabled is False
    session = enter(subscription, configuration=made.id)
    assert "Means of payment" not in local.http.get(session.url).text
    assert local.http.post(session.url, data=NEW_CARD).status_code == 402
    [kept] = api.payment_methods.list({"customer": subscription.customer}).data
    assert kept.id == subscription.default_payment_method
    with pytest.raises(stripe.InvalidRequestError, match="feature is disabled"):
        enter(subscription, "payment_method_update", configuration=made.id)
    changed = api.billing_portal.configurations.update(
        made.id, {"features": {"payment_method_update": {"enabled": True}}}
    )
    assert changed.features.invoice_history.enabled
    enter(subscription, "payment_method_update", configuration=made.id)
