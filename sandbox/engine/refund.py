"""Refunds: money back to the card, never more than was charged."""

from collections.abc import Mapping
from typing import Any

from sandbox.engine import balance
from sandbox.errors import invalid
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


def refund(world: World, charge: Doc, *, amount: int | None, fields: Mapping[str, Any]) -> Doc:
    """Refund a charge, in whole or in part; the fee is not returned.

    Raises:
        StripeError: nothing is left to refund, or not so much.

    Source: https://docs.stripe.com/refunds
    """
    if charge["status"] != "succeeded" or charge["balance_transaction"] is None:
        raise invalid(f"Charge {charge['id']} cannot be refunded yet.", param="charge")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    wanted = left if amount is None else amount
    if not 0 < wanted <= left:
        message = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, param="amount", code="amount_too_large")
    facts = {
        "amount": wanted,
        "charge": charge["id"],
        "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "status": "succeeded",
        **fields,
    }
    made = _booked(world, world.create("refund", facts), charge)
    world.emit("refund.created", made)
    refunded = charge["amount_refunded"] + wanted
    given_back = {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    world.change(charge, given_back, event="charge.refunded")
    arrived = {"reference": "8888888888888888", "reference_status": "available", "type": "refund"}
    details = {"card": arrived, "type": "card"}
    return world.change(made, {"destination_details": details}, event="refund.updated")


def _booked(world: World, made: Doc, charge: Doc) -> Doc:
    """Take the money from the balance, from what is pending while the charge itself is pending."""
    taken = world.get("balance_transaction", charge["balance_transaction"])
    moment = max(world.now, taken["available_on"])
    transaction = balance.move(world, "refund", made, -made["amount"], available_on=moment)
    return world.change(made, {"balance_transaction": transaction["id"]})
