"""Refunds: money back to the payer, never more than was charged; some take days, some fail."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.engine import balance, dispute, fees
from sandbox.errors import invalid
from sandbox.kernel.world import Doc, World, job

_BUSINESS_DAYS: Final = 3  # of a refund that is not at once
# Test cards whose refunds take days, and fail after they had succeeded.
# Source: https://docs.stripe.com/testing#refunds
_SLOW, _FAILS_LATER = "7726", "5126"


def refund(world: World, charge: Doc, *, amount: int | None, fields: Mapping[str, Any]) -> Doc:
    """Refund a charge, in whole or in part; the fee is not returned.

    Raises:
        StripeError: nothing is left to refund, or not so much; or the payer disputes the charge.

    Source: https://docs.stripe.com/refunds
    """
    wanted = _allowed(world, charge, amount)
    last4 = charge["payment_method_details"].get("card", {}).get("last4")
    slow = last4 in {None, _SLOW} or world.store.setting("slow_refunds", 0)
    sent = {"destination_details": {"card": {"type": "refund"}, "type": "card"}}
    facts = {
        "amount": wanted,
        "charge": charge["id"],
        "currency": charge["currency"],
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "status": "succeeded",
        **({"status": "pending", "pending_reason": "processing"} if slow else sent),
        **fields,
    }
    made = _booked(world, world.create("refund", facts), charge)
    world.emit("refund.created", made)
    refunded = charge["amount_refunded"] + wanted
    given_back = {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    world.change(charge, given_back, event="charge.refunded")
    if given_back["refunded"]:
        dispute.forgo(world, charge)
    later = fees.business_days_after(world.now, _BUSINESS_DAYS)
    if slow or last4 == _FAILS_LATER:
        world.schedule(later, "refund.due", made["id"])
    return made if slow else _arrive(world, made)


def update(world: World, made: Doc, fields: Mapping[str, Any]) -> Doc:
    """Change a refund, and tell it under both of its names.

    Source: https://docs.stripe.com/refunds#refund-events
    """
    before, made = made, world.change(made, fields, event="refund.updated")
    previous = {name: before.get(name) for name in fields if before.get(name) != made[name]}
    if previous:
        world.emit("charge.refund.updated", made, previous)
    return made


def fail(world: World, made: Doc, reason: str = "unknown") -> Doc:
    """Let a refund come back, even one that had succeeded: its money is in the balance again.

    Raises:
        StripeError: it has failed or been cancelled already.

    Source: https://docs.stripe.com/refunds#failed-refunds
    """
    made = _return(world, made, {"failure_reason": reason, "status": "failed"})
    world.emit("refund.failed", made)
    return made


def cancel(world: World, made: Doc) -> Doc:
    """Call back a refund that is still on its way: only the Dashboard can.

    Raises:
        StripeError: it is not on its way any more.

    Source: https://docs.stripe.com/refunds#cancel-refund
    """
    if made["status"] != "pending":
        raise invalid(f"Refund {made['id']} is {made['status']}.", param="refund")
    return _return(world, made, {"failure_reason": "merchant_request", "status": "canceled"})


@job("refund.due")
def _look(world: World, ident: str) -> None:
    """Let a refund that was on its way arrive, or one by the card that fails come back."""
    # Source: https://docs.stripe.com/testing#refunds
    made = world.get("refund", ident)
    if made["status"] == "pending":
        _arrive(world, made)
    elif made["status"] == "succeeded":
        fail(world, made, "expired_or_canceled_card")


def _allowed(world: World, charge: Doc, amount: int | None) -> int:
    """Return how much to refund; during a dispute, nothing."""
    # Source: https://docs.stripe.com/disputes/how-disputes-work#receive-a-dispute
    if charge["status"] != "succeeded" or charge["balance_transaction"] is None:
        raise invalid(f"Charge {charge['id']} cannot be refunded yet.", param="charge")
    disputes = world.store.find("dispute", {"charge": charge["id"]})
    if not all(each["is_charge_refundable"] for each in disputes):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid(message, code="charge_disputed")
    left: int = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    wanted = left if amount is None else amount
    if not 0 < wanted <= left:
        message = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, param="amount", code="amount_too_large")
    return wanted


def _booked(world: World, made: Doc, charge: Doc) -> Doc:
    """Take the money from the balance, from what is pending while the charge itself is pending."""
    # Source: https://docs.stripe.com/refunds
    moment = max(world.now, _booking(world, charge)["available_on"])
    kind = "refund" if "card" in charge["payment_method_details"] else "payment_refund"
    transaction = balance.move(world, kind, made, -made["amount"], available_on=moment)
    return world.change(made, {"balance_transaction": transaction["id"]})


def _return(world: World, made: Doc, fields: Mapping[str, Any]) -> Doc:
    """Take the money back into the balance, and off what the charge says was refunded."""
    # Source: https://docs.stripe.com/refunds#failed-refunds
    if made["status"] not in {"pending", "succeeded"}:
        raise invalid(f"Refund {made['id']} is {made['status']}.", param="refund")
    charge = world.get("charge", made["charge"])
    kind = "refund_failure" if "card" in charge["payment_method_details"] else "payment_refund"
    moment = max(world.now, _booking(world, made)["available_on"])
    returned = balance.move(world, kind, made, made["amount"], available_on=moment)
    made = update(world, made, {**fields, "failure_balance_transaction": returned["id"]})
    left = {"amount_refunded": charge["amount_refunded"] - made["amount"], "refunded": False}
    world.change(charge, left, event="charge.updated")
    return made


def _booking(world: World, doc: Doc) -> Doc:
    return world.get("balance_transaction", doc["balance_transaction"])


def _arrive(world: World, made: Doc) -> Doc:
    """Say that the money is on its way to the payer, with the reference to find it by."""
    # Source: https://docs.stripe.com/refunds#tracing-refunds
    fields: dict[str, Any] = {"status": "succeeded"}
    if "card" in made.get("destination_details", {}):
        arrived = {"reference": "8888888888888888", "reference_status": "available"}
        details = {"card": arrived | {"type": "refund"}, "type": "card"}
        fields["destination_details"] = details
    return update(world, made, fields)
