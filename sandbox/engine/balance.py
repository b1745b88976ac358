"""The account's balance: every movement is one balance transaction."""

from collections import Counter
from typing import Any

from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job


def move(
    world: World,
    kind: str,
    source: Doc,
    amount: int,
    *,
    available_on: int,
    fees: list[dict[str, Any]] | None = None,
) -> Doc:
    """Record money coming in (positive) or going out (negative), with what Stripe keeps of it.

    Source: https://docs.stripe.com/reports/balance-transaction-types
    """
    fee = sum(each["amount"] for each in fees or [])
    pending = available_on > world.now
    fields = {
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "currency": source["currency"],
        "description": source.get("description"),
        "fee": fee,
        "fee_details": fees or [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source["id"],
        "status": "pending" if pending else "available",
        "type": kind,
    }
    transaction = world.create("balance_transaction", fields)
    if pending:
        world.schedule(available_on, "balance.available", transaction["id"])
    return transaction


@job("balance.available")
def _become_available(world: World, ident: str) -> None:
    """Let pending money become available.

    Source: https://docs.stripe.com/payments/balances
    """
    transaction = world.get("balance_transaction", ident)
    world.change(transaction, {"status": "available"})


def balance(world: World) -> Doc:
    """Return what the account holds, by currency.

    Source: https://docs.stripe.com/api/balance/balance_object
    """
    sums = {status: Counter({"gbp": 0}) for status in ("available", "pending")}
    for transaction in world.store.find("balance_transaction"):
        sums[transaction["status"]][transaction["currency"]] += transaction["net"]
    listed = {
        status: [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}}
            for currency, amount in sorted(amounts.items())
        ]
        for status, amounts in sums.items()
    }
    return {"object": "balance", "livemode": False, **listed}
