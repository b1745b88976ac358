"""Cards and accounts that are kept: whose they are, how they change, how they stop being usable."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import DECLINED, Local

ASKS, DISPUTED = "4000002760003155", "4000000000000259"
Save = Callable[..., Any]


@pytest.fixture
def save(api: Any, local: Local) -> Save:
    """Keep a card, or an account, for a customer through a page in `setup` mode."""
    local.post("settings", bacs_debit=1)

    def keep(customer: str, **form: str) -> Any:
        session = api.checkout.sessions.create(
            {
                "mode": "setup",
                "customer": customer,
                "currency": "gbp",
                "success_url": "http://paper.test/account",
            }
        )
        assert local.pay(session, **form).status_code == 303
        done = api.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
        assert (done.status, done.payment_status) == ("complete", "no_payment_required")
        return done.setup_intent

    return keep


@pytest.fixture
def customer(api: Any) -> str:
    ident: str = api.customers.create({"email": "ada@example.org"}).id
    return ident


ACCOUNT = {
    "card": "00012345", "by": "bacs_debit", "sort_code": "108800", "line1": "1 High St",
    "postal_code": "CR0 1BD", "agreed": "yes",
}  # fmt: skip


def happened(api: Any, *groups: str) -> list[str]:
    listed = api.events.list({"limit": 100, "types": list(groups)}).data
    return [event.type for event in listed][::-1]


def test_a_card_is_kept_without_paying_and_can_become_the_usual_one(
    api: Any, customer: str, save: Save
) -> None:
    setup = save(customer)
    assert (setup.status, setup.mandate) == ("succeeded", None)
    assert [m.id for m in api.payment_methods.list({"customer": customer}).data] == [
        setup.payment_method
    ]
    assert api.charges.list().data == []
    settings = {"default_payment_method": setup.payment_method}
    kept = api.customers.update(customer, {"invoice_settings": settings})
    assert kept.invoice_settings.default_payment_method == setup.payment_method
    assert happened(api, "setup_intent.*", "payment_method.*", "customer.updated") == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
        "customer.updated",
    ]
    other = api.customers.create().id
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        api.customers.update(other, {"invoice_settings": settings})


def test_an_account_is_kept_with_its_mandate(
    api: Any, local: Local, customer: str, save: Save
) -> None:
    setup = save(customer, **ACCOUNT)
    mandate = api.mandates.retrieve(setup.mandate)
    assert (mandate.status, mandate.payment_method) == ("pending", setup.payment_method)
    local.advance(days=7)
    mandate = api.mandates.retrieve(setup.mandate)
    network = mandate.payment_method_details.bacs_debit.network_status
    assert (mandate.status, network) == ("active", "accepted")
    [kept] = api.payment_methods.list({"customer": customer, "type": "bacs_debit"}).data
    assert kept.bacs_debit.last4 == "2345"


def test_a_cardholder_confirms_before_a_card_is_kept_and_a_declined_one_is_not(
    api: Any, local: Local, customer: str, save: Save
) -> None:
    params = {
        "mode": "setup",
        "customer": customer,
        "currency": "gbp",
        "success_url": "http://a.b/",
    }
    session = api.checkout.sessions.create(params)
    assert local.pay(session, DECLINED).status_code == 402
    page = local.pay(session, ASKS).headers["location"]
    assert api.payment_methods.list({"customer": customer}).data == []
    local.http.post(page, data={"outcome": "fail"})
    page = local.pay(session, ASKS).headers["location"]
    local.http.post(page, data={"outcome": "confirm"})
    setup = api.setup_intents.retrieve(session.setup_intent)
    assert (setup.status, setup.last_setup_error) == ("succeeded", None)
    assert happened(api, "setup_intent.*") == [
        "setup_intent.created",
        "setup_intent.setup_failed",
        "setup_intent.requires_action",
        "setup_intent.setup_failed",
        "setup_intent.requires_action",
        "setup_intent.succeeded",
    ]


def test_a_detached_card_pays_nothing_more_and_never_comes_back(api: Any, subscribe: Any) -> None:
    subscription = subscribe()
    method = subscription.default_payment_method
    gone = api.payment_methods.detach(method)
    assert gone.customer is None
    assert api.subscriptions.retrieve(subscription.id).default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        api.payment_methods.attach(method, {"customer": subscription.customer})
    with pytest.raises(stripe.InvalidRequestError, match="not attached"):
        api.payment_methods.detach(method)
    assert happened(api, "payment_method.detached") == ["payment_method.detached"]


def test_a_detached_account_ends_its_mandate(api: Any, customer: str, save: Save) -> None:
    setup = save(customer, **ACCOUNT)
    api.payment_methods.detach(setup.payment_method)
    mandate = api.mandates.retrieve(setup.mandate)
    network = mandate.payment_method_details.bacs_debit.network_status
    assert (mandate.status, network) == ("inactive", "revoked")
    assert happened(api, "mandate.updated") == ["mandate.updated"]


def test_a_payer_may_end_a_mandate_at_their_bank_and_says_why(
    api: Any, local: Local, customer: str, save: Save
) -> None:
    setup = save(customer, **ACCOUNT)
    local.post(f"mandates/{setup.mandate}/cancel", reason="account_closed")
    mandate = api.mandates.retrieve(setup.mandate)
    reason = mandate.payment_method_details.bacs_debit.revocation_reason
    assert (mandate.status, reason) == ("inactive", "account_closed")
    local.advance(days=7)
    assert api.mandates.retrieve(setup.mandate).status == "inactive"


def test_the_network_tells_of_a_new_expiry(
    api: Any, local: Local, customer: str, save: Save
) -> None:
    method = save(customer).payment_method
    local.post(f"payment_methods/{method}/reissue")
    assert api.payment_methods.retrieve(method).card.exp_year == 2043
    assert happened(api, "payment_method.*") == [
        "payment_method.attached",
        "payment_method.automatically_updated",
    ]


def test_a_card_that_disputes_everything_does(api: Any, local: Local, gift: Any) -> None:
    session = gift()
    local.pay(session, DISPUTED)
    intent = api.checkout.sessions.retrieve(session.id).payment_intent
    [dispute] = api.disputes.list({"payment_intent": intent}).data
    assert (dispute.status, dispute.amount) == ("needs_response", 2500)
