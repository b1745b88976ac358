"""Payouts: what is available goes to the bank, daily if so set, and may come back from there.

An automatic payout is the sum of what it pays out, to the penny; a negative one takes money from
the bank. What a failed one returns is part of the next.
"""

from collections import defaultdict
from typing import Any, Final

from sandbox.engine import balance, fees
from sandbox.errors import invalid
from sandbox.kernel.world import Doc, World, job

_HOUR: Final = 3600
_BANK: Final = "ba_1LocalStripe0000000000"
_PROMISED: Final = frozenset(["pending", "in_transit", "paid"])


def schedule(world: World, on: int) -> None:
    """Begin to pay out each business day, or stop.

    Source: https://docs.stripe.com/payouts#payout-schedule
    """
    moment = fees.business_days_after(world.now, 1) + _HOUR if on else 0
    world.store.set_setting("payouts", moment)
    if on:
        world.schedule(moment, "payout.daily", str(moment))


def pay_out(world: World) -> None:
    """Send all that is available to the bank, or take from there what is missing.

    Source: https://docs.stripe.com/payouts#negative-payouts
    """
    unpaid: dict[str, list[Doc]] = defaultdict(list)
    available = [("parent = ''",), ("json_extract(doc, '$.status') = 'available'",)]
    for transaction in world.store.find("balance_transaction", clauses=available):
        unpaid[transaction["currency"]].append(transaction)
    for currency, transactions in unpaid.items():
        amount = sum(transaction["net"] for transaction in transactions)
        if amount:
            payout = make(world, {"amount": amount, "currency": currency, "automatic": True})
            within = [transaction["id"] for transaction in transactions]
            world.store.adopt([*within, payout["balance_transaction"]], payout["id"])


def make(world: World, given: dict[str, Any]) -> Doc:
    """Create a payout; one that nobody automatic made can never be itemised.

    Source: https://docs.stripe.com/payouts/reconciliation
    """
    fields = {
        "arrival_date": fees.business_days_after(world.now, 1),
        "automatic": False,
        "description": "STRIPE PAYOUT",
        "destination": _BANK,
        "method": "standard",
        "reconciliation_status": "in_progress" if "automatic" in given else "not_applicable",
        "source_type": "card",
        "status": "pending",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
        **given,
    }
    payout = world.create("payout", fields)
    moved = balance.move(world, "payout", payout, -payout["amount"], available_on=world.now)
    made = world.change(payout, {"balance_transaction": moved["id"]})
    world.emit("payout.created", made)
    for moment in (world.now + _HOUR, payout["arrival_date"]):
        world.schedule(moment, "payout.due", payout["id"])
    return made


def fail(world: World, payout: Doc, code: str = "account_closed") -> Doc:
    """Let the bank refuse a payout, even one that was already shown as paid.

    Raises:
        StripeError: it has failed before.

    Source: https://docs.stripe.com/payouts#payout-failures
    """
    if payout["status"] not in _PROMISED:
        raise invalid(f"Payout {payout['id']} is {payout['status']}.", param="payout")
    back = balance.move(world, "payout_failure", payout, payout["amount"], available_on=world.now)
    fields = {
        "failure_balance_transaction": back["id"],
        "failure_code": code,
        "failure_message": "The bank did not accept the payout.",
        "status": "failed",
    }
    return world.change(payout, fields, event="payout.failed")


@job("payout.daily")
def _daily(world: World, moment: str) -> None:
    """Pay out today, and see to the next business day."""
    # Source: https://docs.stripe.com/payouts#payout-schedule
    if world.store.setting("payouts", 0) == int(moment):
        if balance.account(world)["payouts_enabled"]:
            pay_out(world)
        schedule(world, on=1)


@job("payout.due")
def _look(world: World, ident: str) -> None:
    """Submit a payout and say what is in it; on its day, let it arrive."""
    # Source: https://docs.stripe.com/api/payouts/object#payout_object-status
    payout = world.get("payout", ident)
    if payout["status"] == "pending":
        payout = world.change(payout, {"status": "in_transit"}, event="payout.updated")
        if payout["automatic"]:
            known = {"reconciliation_status": "completed"}
            payout = world.change(payout, known, event="payout.reconciliation_completed")
    if payout["status"] == "in_transit" and payout["arrival_date"] <= world.now:
        traced = {"status": "supported", "value": f"LOCAL{payout['created']}"}
        world.change(payout, {"status": "paid", "trace_id": traced}, event="payout.paid")
