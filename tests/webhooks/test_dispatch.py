"""Which object each event tells us to look at, in payloads of many years."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
from stripe.params import WebhookEndpointCreateParams

from billing.reconciliation import Subject, SubjectKind
from webhooks.dispatch import TYPES, IgnoredError, subject_of
from webhooks.event import Event

CHECKOUT, SUBSCRIPTION, INVOICE, PAYMENT = SubjectKind

CHARGE_OF_2020 = {
    "id": "ch_1",
    "object": "charge",
    "amount": 1000,
    "balance_transaction": "txn_1",
    "invoice": "in_1",
    "payment_intent": "pi_1",
    "refunds": {"object": "list", "data": [], "has_more": False},
}
CHARGE_OF_TODAY = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}
REFUND = {"id": "re_1", "object": "refund", "charge": "ch_1", "payment_intent": "pi_1"}
SUBSCRIPTION_OF_2020 = {
    "id": "sub_1",
    "object": "subscription",
    "current_period_end": 1_600_000_000,
    "plan": {"id": "plan_1", "object": "plan"},
    "items": {"object": "list", "data": [{"id": "si_1", "plan": {"id": "plan_1"}}]},
}
INVOICE_OF_2020 = {
    "id": "in_1",
    "object": "invoice",
    "paid": True,
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "subscription": "sub_1",
}
INVOICE_OF_TODAY = {
    "id": "in_1",
    "object": "invoice",
    "parent": {
        "type": "subscription_details",
        "subscription_details": {"subscription": "sub_1", "metadata": {}},
    },
}
SESSION = {"id": "cs_test_1", "object": "checkout.session", "line_items": None}
INTENT_OF_2020 = {
    "id": "pi_1",
    "object": "payment_intent",
    "charges": {"object": "list", "data": [CHARGE_OF_2020]},
}
INTENT_OF_TODAY = {"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1"}


def event(event_type: str, about: Mapping[str, Any]) -> Event:
    return Event(
        id="evt_1",
        type=event_type,
        account="",
        livemode=False,
        api_version="",
        created=None,
        object_kind=about.get("object", ""),
        object_id=about.get("id", ""),
        data=about,
    )


@pytest.mark.parametrize(
    ("event_type", "about", "subject"),
    [
        ("checkout.session.completed", SESSION, Subject(CHECKOUT, "cs_test_1")),
        ("checkout.session.async_payment_succeeded", SESSION, Subject(CHECKOUT, "cs_test_1")),
        ("checkout.session.async_payment_failed", SESSION, Subject(CHECKOUT, "cs_test_1")),
        ("checkout.session.expired", SESSION, Subject(CHECKOUT, "cs_test_1")),
        (
            "customer.subscription.deleted",
            SUBSCRIPTION_OF_2020,
            Subject(SUBSCRIPTION, "sub_1"),
        ),
        ("customer.subscription.updated", {"id": "sub_1"}, Subject(SUBSCRIPTION, "sub_1")),
        ("invoice.paid", INVOICE_OF_2020, Subject(INVOICE, "in_1")),
        ("invoice.payment_failed", INVOICE_OF_TODAY, Subject(INVOICE, "in_1")),
        ("payment_intent.succeeded", INTENT_OF_2020, Subject(PAYMENT, "pi_1")),
        ("payment_intent.payment_failed", INTENT_OF_TODAY, Subject(PAYMENT, "pi_1")),
        ("charge.succeeded", CHARGE_OF_2020, Subject(PAYMENT, "pi_1")),
        ("charge.updated", CHARGE_OF_TODAY, Subject(PAYMENT, "pi_1")),
        ("charge.refunded", CHARGE_OF_2020, Subject(PAYMENT, "pi_1")),
        (
            "charge.updated",
            {**CHARGE_OF_TODAY, "payment_intent": INTENT_OF_TODAY},
            Subject(PAYMENT, "pi_1"),
        ),
        ("refund.created", REFUND, Subject(PAYMENT, "pi_1")),
        ("refund.failed", {**REFUND, "charge": CHARGE_OF_2020}, Subject(PAYMENT, "pi_1")),
        ("charge.refund.updated", REFUND, Subject(PAYMENT, "pi_1")),
    ],
)
def test_an_event_of_any_version_names_the_object_to_look_at(
    event_type: str, about: dict[str, Any], subject: Subject
) -> None:
    assert subject_of(event(event_type, about)) == subject


@pytest.mark.parametrize(
    ("event_type", "about", "reason"),
    [
        ("customer.created", {"id": "cus_1"}, "not a type we act on"),
        ("charge.dispute.created", {"id": "dp_1"}, "not a type we act on"),
        ("v9.something.unheard_of", {}, "not a type we act on"),
        ("invoice.paid", {"object": "invoice"}, "it names no object"),
        ("checkout.session.completed", {}, "it names no object"),
        ("charge.succeeded", {"id": "ch_1"}, "it belongs to no payment intent"),
        ("refund.failed", {"id": "re_1", "charge": "ch_1"}, "it belongs to no payment intent"),
        ("charge.updated", {"payment_intent": 5}, "it belongs to no payment intent"),
    ],
)
def test_an_event_with_nothing_to_look_at_is_ignored_with_its_reason(
    event_type: str, about: dict[str, Any], reason: str
) -> None:
    with pytest.raises(IgnoredError) as ignored:
        subject_of(event(event_type, about))

    assert str(ignored.value) == reason


@pytest.mark.parametrize("event_type", TYPES)
def test_no_type_we_act_on_breaks_on_an_empty_payload(event_type: str) -> None:
    with pytest.raises(IgnoredError):
        subject_of(event(event_type, {}))


def test_stripe_knows_every_type_we_act_on() -> None:
    known = inspect.getsource(WebhookEndpointCreateParams)

    assert [each for each in TYPES if f'"{each}"' not in known] == []
