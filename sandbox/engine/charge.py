"""Charges: what a payment took or failed to take, and the balance transaction that follows."""

from typing import Any

from sandbox.engine import balance, fees
from sandbox.engine.instruments import Decline, instrument_of
from sandbox.engine.method import charged_details
from sandbox.kernel.ids import token
from sandbox.kernel.world import Doc, World, job

_APPROVED = {
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 10,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def succeed(world: World, intent: Doc, method: Doc) -> Doc:
    """Charge a card; its balance transaction may come a little later.

    Source: https://docs.stripe.com/payments/payment-intents/asynchronous-capture
    """
    fields = _facts(intent, method) | _taken(intent["amount"])
    charge = world.create("charge", fields, event="charge.succeeded")
    delay = world.store.setting("settle_seconds", 0)
    if delay:
        world.schedule(world.now + delay, "charge.settle", charge["id"])
    else:
        _settle(world, charge["id"])
    return charge


def begin(world: World, intent: Doc, method: Doc, mandate: Doc, *, expected: str) -> Doc:
    """Begin to debit a bank account; until it is known how that ends there is no money.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
    """
    debit = {"expected_debit_date": expected, "mandate": mandate["id"]}
    fields = _facts(intent, method, debit) | {"status": "pending", "outcome": _APPROVED}
    fields |= {"id": f"py_3{token(22)}", "amount_captured": intent["amount"], "captured": True}
    return world.create("charge", fields, event="charge.pending")


def finish(world: World, charge: Doc) -> Doc:
    """Let a debit succeed, and book the money.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
    """
    charge = world.change(charge, _booked(world, charge, "payment") | _taken(charge["amount"]))
    world.emit("charge.succeeded", charge)
    return charge


def fail(world: World, intent: Doc, method: Doc, decline: Decline, begun: Doc | None) -> Doc:
    """Record that a card was declined, or that the debit which had `begun` has failed.

    Source: https://docs.stripe.com/declines
    """
    outcome = _APPROVED | {
        "network_status": "declined_by_network",
        "reason": decline.decline_code or decline.code,
        "seller_message": "The bank did not accept the payment.",
        "type": "issuer_declined",
    }
    fields = {"status": "failed", "outcome": outcome, "amount_captured": 0, "captured": False}
    fields |= {"failure_code": decline.code, "failure_message": decline.message}
    if begun is not None:
        return world.change(begun, fields, event="charge.failed")
    return world.create("charge", _facts(intent, method) | fields, event="charge.failed")


def _facts(intent: Doc, method: Doc, debit: Doc | None = None) -> dict[str, Any]:
    same = ("amount", "currency", "customer", "description", "metadata", "receipt_email")
    return {name: intent[name] for name in same} | {
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "MORNING STAR",
        "fraud_details": {},
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": charged_details(method, debit or {}),
    }


def _taken(amount: int) -> dict[str, Any]:
    taken = {"amount_captured": amount, "captured": True, "paid": True}
    return taken | {"status": "succeeded", "outcome": _APPROVED}


@job("charge.settle")
def _settle(world: World, ident: str) -> None:
    """Give a charge its balance transaction; `charge.updated` is how one learns of it."""
    # Source: https://docs.stripe.com/payments/payment-intents/asynchronous-capture
    charge = world.get("charge", ident)
    world.change(charge, _booked(world, charge, "charge"), event="charge.updated")


def _booked(world: World, charge: Doc, kind: str) -> dict[str, str]:
    """Book the money of a charge; what no card paid Stripe calls a payment. Some dispute it."""
    # Source: https://docs.stripe.com/reports/balance-transaction-types
    if instrument_of(world.get("payment_method", charge["payment_method"])).disputed:
        world.schedule(world.now, "charge.dispute", charge["id"])
    amount, moment = charge["amount"], fees.available_on(world.now)
    price = fees.card_fee if kind == "charge" else fees.debit_fee
    fee = price(amount, charge["currency"])
    moved = balance.move(world, kind, charge, amount, available_on=moment, fees=[fee])
    return {"balance_transaction": moved["id"]}
