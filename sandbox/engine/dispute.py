"""Disputes: a payer asks the bank for the money back. An inquiry moves none; a debit's is final."""

from collections.abc import Iterable, Mapping
from typing import Final

from sandbox.contract.resources import skeleton
from sandbox.engine import balance, fees
from sandbox.errors import invalid
from sandbox.kernel.world import Doc, World, job

_DAY: Final = 24 * 3600
# Days to answer a dispute in, and until an inquiry nobody made more of is over.
# Source: https://docs.stripe.com/disputes/how-disputes-work#dispute-timing
_TO_ANSWER: Final = 9
_INQUIRY_LASTS: Final = 120

# Where each status may lead. Source: https://docs.stripe.com/disputes/how-disputes-work
NEXT: Final[Mapping[str, frozenset[str]]] = {
    "warning_needs_response": frozenset(
        ["warning_under_review", "warning_closed", "needs_response", "prevented"]
    ),
    "warning_under_review": frozenset(["warning_closed", "needs_response", "prevented"]),
    "needs_response": frozenset(["under_review", "won", "lost"]),
    "under_review": frozenset(["won", "lost"]),
    "lost": frozenset(["appeal_needs_response"]),
    "appeal_needs_response": frozenset(["appeal_under_review", "lost"]),
    "appeal_under_review": frozenset(["won", "lost"]),
}
_INQUIRIES: Final = frozenset(["warning_needs_response", "warning_under_review"])
_CLOSED: Final = frozenset(["won", "lost", "warning_closed", "prevented"])
# Whether the payer can still be refunded: the bank has not taken the money, or has returned it.
_REFUNDABLE: Final = _INQUIRIES | {"warning_closed", "won"}


def open_dispute(
    world: World,
    charge: Doc,
    reason: str = "fraudulent",
    *,
    status: str = "needs_response",
    amount: int | None = None,
) -> Doc:
    """Let the payer dispute a charge; a debit's dispute is lost at once, however old the debit.

    Raises:
        StripeError: there is no money in the charge to dispute.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#disputes
    """
    left = _in(world, charge)
    if not left or charge["status"] != "succeeded" or charge["balance_transaction"] is None:
        raise invalid(f"Charge {charge['id']} cannot be disputed.", param="charge")
    if status not in {"needs_response", "warning_needs_response", "prevented"}:
        raise invalid(f"A dispute does not begin as {status}.", param="status")
    card = charge["payment_method_details"].get("card")
    status = status if card else "lost"
    empty = skeleton("dispute")
    answering = {"submission_count": 0, "submission_method": "not_submitted"}
    answering |= {"due_by": None if status in _CLOSED else _in_days(world, _TO_ANSWER)}
    fields = {
        "amount": min(amount or left, left),
        "charge": charge["id"],
        "currency": charge["currency"],
        "evidence": empty["evidence"] | {"enhanced_evidence": {}},
        "evidence_details": empty["evidence_details"] | {"enhanced_eligibility": {}} | answering,
        "is_charge_refundable": status in _REFUNDABLE,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": status,
    }
    if card:
        case = {"prevented": "resolution", "warning_needs_response": "inquiry"}
        told = {"brand": card["brand"], "case_type": case.get(status, "chargeback")}
        told |= {"network": card["network"], "network_reason_code": "10.4"}
        fields["payment_method_details"] = {"card": told, "type": "card"}
    made = world.create("dispute", fields)
    world.change(charge, {"disputed": True})
    taken = status in {"needs_response", "lost"}
    made = _withdraw(world, made) if taken else made
    world.emit("charge.dispute.created", made)
    if taken:
        world.emit("charge.dispute.funds_withdrawn", made)
    if status in _CLOSED:
        world.emit("charge.dispute.closed", made)
    elif not taken:
        world.schedule(_in_days(world, _INQUIRY_LASTS), "dispute.due", made["id"])
    return made


def become(world: World, dispute: Doc, status: str) -> Doc:
    """Move a dispute on, with the money and the events that go with it; the fee is never returned.

    Raises:
        StripeError: from where it stands it cannot get there.

    Source: https://docs.stripe.com/disputes/how-disputes-work
    """
    if status not in NEXT.get(dispute["status"], frozenset()):
        message = f"A dispute that is {dispute['status']} cannot become {status}."
        raise invalid(message, param="status")
    fields: Doc = {"status": status, "is_charge_refundable": status in _REFUNDABLE}
    if status == "needs_response":
        told = dispute["payment_method_details"]
        formal = told | {"card": told["card"] | {"case_type": "chargeback"}}
        fields["payment_method_details"] = formal
    event = "" if status in _CLOSED else "charge.dispute.updated"
    dispute = world.change(dispute, fields, event=event)
    if status == "needs_response":
        dispute = _withdraw(world, dispute)
        world.emit("charge.dispute.funds_withdrawn", dispute)
    if status in _CLOSED:
        world.emit("charge.dispute.closed", dispute)
    if status == "won":
        dispute = _move(world, dispute, dispute["amount"], "dispute_reversal")
        world.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def forgo(world: World, charge: Doc) -> None:
    """Close the inquiries into a charge that has been refunded in full.

    Source: https://docs.stripe.com/disputes/how-disputes-work#inquiries
    """
    for dispute in world.store.find("dispute", {"charge": charge["id"]}):
        if dispute["status"] in _INQUIRIES:
            become(world, dispute, "warning_closed")


def warn(world: World, charge: Doc, fraud_type: str = "misc") -> Doc:
    """Pass on a card network's early warning of fraud: no money moves.

    Source: https://docs.stripe.com/disputes/how-disputes-work#early-fraud-warnings
    """
    fields = {
        "actionable": not (charge["refunded"] or charge["disputed"]),
        "charge": charge["id"],
        "fraud_type": fraud_type,
        "payment_intent": charge["payment_intent"],
    }
    name = "radar.early_fraud_warning"
    return world.create(name, fields, event=f"{name}.created")


@job("charge.dispute")
def _dispute(world: World, ident: str) -> None:
    """Dispute a charge: some test cards and accounts always do."""
    # Source: https://docs.stripe.com/testing#disputes
    open_dispute(world, world.get("charge", ident))


@job("dispute.due")
def _look(world: World, ident: str) -> None:
    """Lose a dispute nobody has answered in time; close an inquiry nobody made more of."""
    # Source: https://docs.stripe.com/disputes/how-disputes-work#dispute-timing
    dispute = world.get("dispute", ident)
    details, opened = dispute["evidence_details"], dispute["created"]
    if dispute["status"] == "needs_response" and details["due_by"] <= world.now:
        late = {"evidence_details": details | {"past_due": True}}
        become(world, world.change(dispute, late), "lost")
    elif dispute["status"] in _INQUIRIES and opened + _INQUIRY_LASTS * _DAY <= world.now:
        become(world, dispute, "warning_closed")


def _in(world: World, charge: Doc) -> int:
    """Return what is left of a charge: neither refunded nor taken by another dispute."""
    others = world.store.find("dispute", {"charge": charge["id"]})
    taken = sum(each["amount"] for each in others if not each["is_charge_refundable"])
    return int(charge["amount"] - charge["amount_refunded"] - taken)


def _in_days(world: World, days: int) -> int:
    return world.now + days * _DAY


def _withdraw(world: World, dispute: Doc) -> Doc:
    """Take the money and the fee; unless it is lost, from now on there is a day to answer by."""
    # Source: https://docs.stripe.com/disputes/how-disputes-work#receive-a-dispute
    fee = fees.detail(fees.DISPUTE, dispute["currency"], "Dispute fee")
    dispute = _move(world, dispute, -dispute["amount"], "dispute", [fee])
    if dispute["status"] in _CLOSED:
        return dispute
    due = _in_days(world, _TO_ANSWER)
    world.schedule(due, "dispute.due", dispute["id"])
    details = dispute["evidence_details"] | {"due_by": due}
    return world.change(dispute, {"evidence_details": details})


def _move(
    world: World, dispute: Doc, amount: int, category: str, charged: Iterable[Doc] = ()
) -> Doc:
    """Source: https://docs.stripe.com/reports/reporting-categories#dispute."""
    source = dispute | {"description": f"Chargeback for {dispute['charge']}"}
    moved = balance.move(
        world, "adjustment", source, amount,
        available_on=world.now, fees=[*charged], category=category,
    )  # fmt: skip
    moves = [*dispute["balance_transactions"], moved]
    return world.change(dispute, {"balance_transactions": moves})
