"""Payments: an intent, its charges, and the balance transaction that follows a charge."""

from collections.abc import Mapping
from typing import Any

from sandbox.engine import balance, fees
from sandbox.engine.cards import Card, Decline, card_of
from sandbox.kernel.ids import new_id, token
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job

_BRAND = "visa"
_CODE = "card_declined"
_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
_APPROVED = {
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 10,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def open_intent(world: World, terms: Mapping[str, Any], *, parent: str) -> Doc:
    """Create an intent that waits for a card; `parent` is the Checkout Session or invoice.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    ident = new_id("payment_intent")
    fields = {
        "id": ident,
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": "automatic_async",
        "client_secret": f"{ident}_secret_{token(24)}",
        "confirmation_method": "automatic",
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        **terms,
    }
    return world.create("payment_intent", fields, parent=parent, event="payment_intent.created")


def new_method(
    world: World, card: Card, billing: Mapping[str, Any], expiry: tuple[int, int]
) -> Doc:
    """Store a card as a payment method that belongs to nobody yet."""
    facts = _card_facts(card, expiry) | {
        "display_brand": _BRAND,
        "networks": {"available": [_BRAND], "preferred": None},
        "three_d_secure_usage": {"supported": True},
    }
    fields = {"billing_details": {**billing, "tax_id": None}, "card": facts, "type": "card"}
    doc = world.create("payment_method", fields | {"allow_redisplay": "limited"})
    shown = {key: value for key, value in doc.items() if value is not None or "customer" in key}
    world.store.save(shown)  # of the kinds of payment it could be, Stripe shows only what it is
    return shown


def attach(world: World, method: Doc, customer: str) -> Doc:
    """Keep a payment method for a customer's later payments.

    Source: https://docs.stripe.com/api/payment_methods/attach
    """
    return world.change(method, {"customer": customer}, event="payment_method.attached")


def attempt(world: World, intent: Doc, method: Doc, *, present: bool) -> tuple[Doc, Decline | None]:
    """Charge the card once; `present` says whether the cardholder is there.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    card = card_of(method)
    decline = card.now if present else card.later
    if decline is not None:
        return _fail(world, intent, method, decline), decline
    charge = world.create(
        "charge",
        _charge(intent, method, card)
        | {"amount_captured": intent["amount"], "captured": True, "paid": True}
        | {"status": "succeeded", "outcome": _APPROVED},
        event="charge.succeeded",
    )
    _settle_in_time(world, charge)
    fields = {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "payment_method": method["id"],
        "status": "succeeded",
    }
    return world.change(intent, fields, event="payment_intent.succeeded"), None


def _fail(world: World, intent: Doc, method: Doc, decline: Decline) -> Doc:
    """Record a declined charge; the intent waits for another card.

    Source: https://docs.stripe.com/declines
    """
    outcome = _APPROVED | {
        "network_status": "declined_by_network",
        "reason": decline.decline_code,
        "seller_message": "The bank did not accept the payment.",
        "type": "issuer_declined",
    }
    charge = world.create(
        "charge",
        _charge(intent, method, card_of(method))
        | {"amount_captured": 0, "failure_code": _CODE, "failure_message": decline.message}
        | {"status": "failed", "outcome": outcome},
        event="charge.failed",
    )
    error = {
        "type": "card_error",
        "code": _CODE,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "charge": charge["id"],
        "payment_method": method,
    }
    fields = {
        "last_payment_error": error,
        "latest_charge": charge["id"],
        "payment_method": None,
        "status": "requires_payment_method",
    }
    return world.change(intent, fields, event="payment_intent.payment_failed")


def _charge(intent: Doc, method: Doc, card: Card) -> dict[str, Any]:
    expiry = (method["card"]["exp_month"], method["card"]["exp_year"])
    facts = _card_facts(card, expiry) | {"network": _BRAND}
    same = ("amount", "currency", "customer", "description", "metadata", "receipt_email")
    return {name: intent[name] for name in same} | {
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "MORNING STAR",
        "fraud_details": {},
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": facts, "type": "card"},
    }


def _card_facts(card: Card, expiry: tuple[int, int]) -> dict[str, Any]:
    return {
        "brand": _BRAND,
        "checks": _CHECKS,
        "country": "GB",
        "exp_month": expiry[0],
        "exp_year": expiry[1],
        "fingerprint": card.fingerprint,
        "funding": "credit",
        "last4": card.number[-4:],
        "wallet": None,
    }


def _settle_in_time(world: World, charge: Doc) -> None:
    """Book the charge now, or after the delay that was set: Stripe captures asynchronously."""
    delay = world.store.setting("settle_seconds", 0)
    if delay:
        world.schedule(world.now + delay, "charge.settle", charge["id"])
    else:
        _settle(world, charge["id"])


@job("charge.settle")
def _settle(world: World, ident: str) -> None:
    """Give a charge its balance transaction; `charge.updated` is how one learns of it.

    Source: https://docs.stripe.com/payments/payment-intents/asynchronous-capture
    """
    charge = world.get("charge", ident)
    amount, moment = charge["amount"], fees.available_on(world.now)
    fee = fees.card_fee(amount, charge["currency"])
    moved = balance.move(world, "charge", charge, amount, available_on=moment, fees=[fee])
    world.change(charge, {"balance_transaction": moved["id"]}, event="charge.updated")
