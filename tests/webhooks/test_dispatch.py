"""Which object each event tells us to look at, in payloads of many years."""

import contextlib
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from stripe.events._event_classes import get_v2_event_class
from stripe.params import WebhookEndpointCreateParams

from billing.reconciliation import Subject, SubjectKind
from webhooks.dispatch import HANDLERS, TYPES, IgnoredError, subject_of
from webhooks.event import Event, read

CHECKOUT, SUBSCRIPTION = SubjectKind.CHECKOUT, SubjectKind.SUBSCRIPTION
INVOICE, PAYMENT = SubjectKind.INVOICE, SubjectKind.PAYMENT
DISPUTE, PAYOUT = SubjectKind.DISPUTE, SubjectKind.PAYOUT
ACCOUNT, BALANCE = SubjectKind.ACCOUNT, SubjectKind.BALANCE
QUESTION, PRICE = SubjectKind.QUESTION, SubjectKind.PRICE
CUSTOMER, MANDATE = SubjectKind.CUSTOMER, SubjectKind.MANDATE
METHOD = SubjectKind.PAYMENT_METHOD

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
WITHOUT_INTENT = {**CHARGE_OF_TODAY, "payment_intent": None}
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
# What is to be invoiced has no id, in any version.
UPCOMING_OF_2020 = {k: v for k, v in INVOICE_OF_2020.items() if k != "id"}
UPCOMING_OF_TODAY = {k: v for k, v in INVOICE_OF_TODAY.items() if k != "id"}
SCHEDULE = {"id": "sub_sched_1", "object": "subscription_schedule", "subscription": "sub_1"}
RELEASED = {**SCHEDULE, "subscription": None, "released_subscription": "sub_1"}
DISPUTE_OF_2020 = {
    "id": "dp_1",
    "object": "dispute",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "balance_transactions": [{"id": "txn_1", "object": "balance_transaction", "amount": -1000}],
}
SETUP = {"id": "seti_1", "object": "setup_intent", "payment_method": "pm_1", "mandate": "m_1"}
INVOICE_PAYMENT = {
    "id": "inpay_1",
    "object": "invoice_payment",
    "invoice": "in_1",
    "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
}


def event(event_type: str, about: Mapping[str, Any]) -> Event:
    kind, object_id = about.get("object"), about.get("id")
    return Event(
        id="evt_1",
        type=event_type,
        account="",
        livemode=False,
        api_version="",
        created=None,
        object_kind=kind if isinstance(kind, str) else "",
        object_id=object_id if isinstance(object_id, str) else "",
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
        ("charge.updated", WITHOUT_INTENT, Subject(PAYMENT, "ch_1")),
        ("refund.failed", {**REFUND, "payment_intent": None}, Subject(PAYMENT, "ch_1")),
        ("refund.created", REFUND, Subject(PAYMENT, "pi_1")),
        ("refund.failed", {**REFUND, "charge": CHARGE_OF_2020}, Subject(PAYMENT, "pi_1")),
        ("charge.refund.updated", REFUND, Subject(PAYMENT, "pi_1")),
        ("invoice.upcoming", UPCOMING_OF_2020, Subject(SUBSCRIPTION, "sub_1")),
        ("invoice.upcoming", UPCOMING_OF_TODAY, Subject(SUBSCRIPTION, "sub_1")),
        ("invoice_payment.paid", INVOICE_PAYMENT, Subject(INVOICE, "in_1")),
        ("invoice.finalization_failed", INVOICE_OF_2020, Subject(INVOICE, "in_1")),
        ("subscription_schedule.updated", SCHEDULE, Subject(SUBSCRIPTION, "sub_1")),
        ("subscription_schedule.released", RELEASED, Subject(SUBSCRIPTION, "sub_1")),
        ("customer.updated", {"id": "cus_1", "email": None}, Subject(CUSTOMER, "cus_1")),
        ("customer.deleted", {"id": "cus_1", "deleted": True}, Subject(CUSTOMER, "cus_1")),
        ("payment_method.automatically_updated", {"id": "pm_1"}, Subject(METHOD, "pm_1")),
        ("setup_intent.succeeded", SETUP, Subject(METHOD, "pm_1")),
        ("mandate.updated", {"id": "mandate_1"}, Subject(MANDATE, "mandate_1")),
        ("charge.dispute.created", DISPUTE_OF_2020, Subject(DISPUTE, "dp_1")),
        ("charge.dispute.closed", {"id": "du_1", "object": "dispute"}, Subject(DISPUTE, "du_1")),
        ("payout.reconciliation_completed", {"id": "po_1"}, Subject(PAYOUT, "po_1")),
        ("radar.early_fraud_warning.created", {"id": "issfr_1"}, Subject(QUESTION, "issfr_1")),
        ("review.closed", {"id": "prv_1"}, Subject(QUESTION, "prv_1")),
        ("credit_note.created", {"id": "cn_1", "refund": "re_1"}, Subject(QUESTION, "cn_1")),
        ("balance.available", {"object": "balance"}, Subject(BALANCE, "balance")),
        ("price.updated", {"id": "price_1", "object": "price"}, Subject(PRICE, "catalogue")),
        ("product.updated", {"id": "our-own-name"}, Subject(PRICE, "catalogue")),
        ("product.deleted", {"id": "prod_1", "object": "product"}, Subject(PRICE, "catalogue")),
        ("topup.succeeded", {"id": "tu_1", "object": "topup"}, Subject(BALANCE, "balance")),
        ("account.updated", {"id": "acct_1", "object": "account"}, Subject(ACCOUNT, "acct_1")),
        (
            "capability.updated",
            {"id": "card_payments", "object": "capability", "account": "acct_1"},
            Subject(ACCOUNT, "acct_1"),
        ),
    ],
)
def test_an_event_of_any_version_names_the_object_to_look_at(
    event_type: str, about: dict[str, Any], subject: Subject
) -> None:
    assert subject_of(event(event_type, about)) == subject


@pytest.mark.parametrize(
    ("event_type", "about", "reason"),
    [
        ("invoice.payment_succeeded", {"id": "in_1"}, "not a type we act on"),
        ("invoice.created", INVOICE_OF_2020, "a draft; Stripe tells when it is final"),
        ("invoice.upcoming", {"object": "invoice"}, "it belongs to no subscription"),
        ("invoice_payment.paid", {"id": "inpay_1"}, "it names no invoice"),
        ("subscription_schedule.created", {"id": "s_1"}, "it steers no subscription"),
        (
            "capability.updated",
            {"id": "card_payments", "object": "capability"},
            "it names no account",
        ),
        (
            "entitlements.active_entitlement_summary.updated",
            {"object": "entitlements.active_entitlement_summary", "customer": "cus_1"},
            "who may read is decided here, from subscriptions; Stripe's own list is not asked",
        ),
        ("setup_intent.succeeded", {"id": "seti_1"}, "nothing was set up"),
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
def test_no_type_we_act_on_breaks_on_a_payload_without_anything_in_it(event_type: str) -> None:
    for about in ({}, {"id": 5, "parent": [], "subscription": {}, "object": None}):
        try:
            subject = subject_of(event(event_type, about))
        except IgnoredError:
            continue
        # These two need no name: the whole is looked at.
        assert subject in {Subject(BALANCE, "balance"), Subject(PRICE, "catalogue")}


def test_stripe_knows_every_type_we_act_on() -> None:
    known = set(re.findall(r'"([a-z_.0-9]+)"', inspect.getsource(WebhookEndpointCreateParams)))

    assert [each for each in TYPES if each not in known] == []


@pytest.mark.parametrize("event_type", [each for each in HANDLERS if each not in TYPES])
def test_what_only_the_newer_words_say_of_our_account_has_us_look_at_it(event_type: str) -> None:
    said = {
        "id": "evt_1",
        "object": "v2.core.event",
        "created": "2026-11-27T12:00:00Z",
        "livemode": False,
        "type": event_type,
        "related_object": {"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts"},
    }

    assert subject_of(read(json.dumps(said).encode())) == Subject(ACCOUNT, "acct_1")
    assert get_v2_event_class(event_type) is not get_v2_event_class("nothing.stripe.says")


def test_every_kind_of_object_is_named_by_some_event() -> None:
    whole = {
        **INVOICE_OF_2020,
        "id": "some_1",
        "object": "something",
        "invoice": "in_1",
        "account": "acct_1",
    }
    named = set()
    for event_type in TYPES:
        with contextlib.suppress(IgnoredError):
            named.add(subject_of(event(event_type, whole)).kind)

    assert named == set(SubjectKind)
