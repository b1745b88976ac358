"""Customers and their means of payment, each a test card or a test bank account."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.engine import mandate
from sandbox.engine.instruments import (
    SORT_CODE,
    TEST_NAMES,
    Account,
    Card,
    Instrument,
    fingerprint,
    instrument_of,
)
from sandbox.errors import invalid
from sandbox.kernel.ids import token
from sandbox.kernel.world import Doc, World

_BRAND: Final = "visa"
_GONE: Final = "detached"
_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def new_customer(world: World, given: dict[str, Any]) -> Doc:
    """Create a customer, from the API or by a Checkout page.

    Source: https://docs.stripe.com/api/customers/object
    """
    empty = dict.fromkeys(("address", "currency", "discount", "name", "phone", "test_clock"))
    settings = ("custom_fields", "default_payment_method", "footer", "rendering_options")
    defaults: dict[str, Any] = {
        "balance": 0,
        "delinquent": False,
        "invoice_prefix": token(8).upper(),
        "invoice_settings": dict.fromkeys(settings),
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
    }
    return world.create("customer", empty | defaults | given, event="customer.created")


def new_method(
    world: World,
    instrument: Instrument,
    billing: Mapping[str, Any],
    expiry: tuple[int, int] | None = None,
) -> Doc:
    """Store a payment method that belongs to nobody yet; a card has an expiry, month and year.

    Source: https://docs.stripe.com/payments/payment-methods
    """
    if isinstance(instrument, Account):
        kind, facts = "bacs_debit", _account_facts(instrument)
    else:
        networks = {"available": [_BRAND], "preferred": None}
        kind, facts = "card", _card_facts(instrument, expiry or (12, 2040))
        facts |= {"display_brand": _BRAND, "networks": networks}
        facts |= {"three_d_secure_usage": {"supported": True}}
    fields = {"billing_details": {**billing, "tax_id": None}, kind: facts, "type": kind}
    doc = world.create("payment_method", fields | {"allow_redisplay": "limited"})
    shown = {key: value for key, value in doc.items() if value is not None or "customer" in key}
    world.store.save(shown)  # of the kinds of payment it could be, Stripe shows only what it is
    return shown


def named(world: World, ident: str) -> Doc:
    """Return a stored payment method, or a new one where `ident` is one of Stripe's test names.

    Source: https://docs.stripe.com/testing#cards
    """
    if ident not in TEST_NAMES:
        return world.get("payment_method", ident)
    nobody = dict.fromkeys(("email", "name", "phone"))
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return new_method(world, TEST_NAMES[ident], {"address": address, **nobody})


def attach(world: World, method: Doc, customer: str) -> Doc:
    """Keep a payment method for a customer's later payments; one let go is gone for good.

    Raises:
        StripeError: it is a customer's already, or was.

    Source: https://docs.stripe.com/api/payment_methods/attach
    """
    if method["customer"] == customer:
        return method
    if method["customer"]:
        raise invalid("The payment method you provided has already been attached to a customer.")
    if world.store.setting(method["id"], None) == _GONE:
        message = "This PaymentMethod was previously used without being attached to a Customer or"
        raise invalid(f"{message} was detached from a Customer, and may not be used again.")
    return world.change(method, {"customer": customer}, event="payment_method.attached")


def detach(world: World, method: Doc) -> Doc:
    """Let go of a payment method for good: its mandate ends, and nothing pays by it any more.

    Raises:
        StripeError: it is nobody's.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#mandate-cancellation
    """
    if not method["customer"]:
        raise invalid("The payment method you provided is not attached to a customer.")
    customer = world.get("customer", method["customer"])
    if customer["invoice_settings"]["default_payment_method"] == method["id"]:
        set_default(world, customer, None)
    paying = {"customer": customer["id"], "default_payment_method": method["id"]}
    for subscription in world.store.find("subscription", paying):
        none = {"default_payment_method": None}
        world.change(subscription, none, event="customer.subscription.updated")
    world.store.set_setting(method["id"], _GONE)
    mandate.revoke(world, method["id"], "debit_not_authorized")
    changed = world.change(method, {"customer": None})
    world.emit("payment_method.detached", changed, {"customer": customer["id"]})
    return changed


def set_default(world: World, customer: Doc, method: str | None) -> Doc:
    """Let a customer's invoices be paid by a payment method, unless a subscription has its own.

    Raises:
        StripeError: the payment method is not this customer's.

    Source: https://docs.stripe.com/billing/subscriptions/payment-methods-setting
    """
    if method is not None:
        param = "invoice_settings[default_payment_method]"
        if (
            world.get("payment_method", method, param=param, status=400)["customer"]
            != customer["id"]
        ):
            message = f"The customer does not have a payment method with the ID {method}."
            raise invalid(message, param=param, code="resource_missing")
    settings = customer["invoice_settings"] | {"default_payment_method": method}
    return world.change(customer, {"invoice_settings": settings}, event="customer.updated")


def reissue(world: World, method: Doc) -> Doc:
    """Let the card network tell of a card's new expiry, three years on.

    Source: https://docs.stripe.com/payments/cards/overview#automatic-card-updates
    """
    card = method["card"] | {"exp_year": method["card"]["exp_year"] + 3}
    return world.change(method, {"card": card}, event="payment_method.automatically_updated")


def charged_details(method: Doc, debit: dict[str, Any]) -> dict[str, Any]:
    """Return what a charge tells of the means it was paid by; `debit` is what only a debit has."""
    instrument, kind = instrument_of(method), method["type"]
    if isinstance(instrument, Account):
        return {"type": kind, kind: _account_facts(instrument) | debit}
    expiry = (method[kind]["exp_month"], method[kind]["exp_year"])
    return {"type": kind, kind: _card_facts(instrument, expiry) | {"network": _BRAND}}


def _card_facts(card: Card, expiry: tuple[int, int]) -> dict[str, Any]:
    return {
        "brand": _BRAND,
        "checks": _CHECKS,
        "country": "GB",
        "exp_month": expiry[0],
        "exp_year": expiry[1],
        "fingerprint": fingerprint(card),
        "funding": "credit",
        "last4": card.number[-4:],
        "wallet": None,
    }


def _account_facts(account: Account) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint(account),
        "last4": account.number[-4:],
        "sort_code": f"{SORT_CODE[:2]}-{SORT_CODE[2:4]}-{SORT_CODE[4:]}",
    }
