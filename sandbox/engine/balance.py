"""The one account there is, and its balance: the sum of its balance transactions.

A transaction's `parent` in the store is the payout it was paid out in, which Stripe shows only as
a filter of the list.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sandbox.contract.resources import check, skeleton
from sandbox.kernel.world import Doc, World, job

_ID: Final = "acct_1LocalStripe0000000"
# Where the category finance reads is another word than the type.
# Source: https://docs.stripe.com/reports/reporting-categories
_CATEGORIES: Final[Mapping[str, str]] = {
    "adjustment": "other_adjustment",
    "payment": "charge",
    "payment_failure_refund": "charge_failure",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "stripe_fee": "fee",
}


def move(
    world: World,
    kind: str,
    source: Doc,
    amount: int,
    *,
    available_on: int,
    fees: list[dict[str, Any]] | None = None,
    category: str | None = None,
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
        "reporting_category": category or _CATEGORIES.get(kind, kind),
        "source": source["id"],
        "status": "pending" if pending else "available",
        "type": kind,
    }
    transaction = world.create("balance_transaction", fields)
    if pending:
        world.schedule(available_on, "balance.available", transaction["id"])
    return transaction


def adjust(world: World, kind: str, amount: int, description: str) -> Doc:
    """Let Stripe add or take money for a reason of its own, outside any payment.

    Source: https://docs.stripe.com/reports/balance-transaction-types
    """
    source = {"id": None, "currency": "gbp", "description": description}
    return move(world, kind, source, amount, available_on=world.now)


@job("balance.available")
def _become_available(world: World, _: str) -> None:
    """Let all pending money whose day has come become available, and say so once."""
    # Source: https://docs.stripe.com/payments/balances
    pending = world.store.find("balance_transaction", {"status": "pending"})
    due = [transaction for transaction in pending if transaction["available_on"] <= world.now]
    for transaction in due:
        world.change(transaction, {"status": "available"})
    if due:
        world.emit("balance.available", balance(world))


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


def account(world: World) -> Doc:
    """Return the account; what it lacks is left out, as Stripe leaves out what a key may not see.

    Source: https://docs.stripe.com/api/accounts/object
    """
    paying = world.store.setting("payouts_enabled", 1)
    fields = {
        "id": _ID,
        "business_type": "company",
        "capabilities": {"bacs_debit_payments": "active", "card_payments": "active"},
        "charges_enabled": True,
        "country": "GB",
        "default_currency": "gbp",
        "details_submitted": True,
        "email": "accounts@example.org",
        "payouts_enabled": bool(paying),
        "type": "standard",
    }
    empty = {name: value for name, value in skeleton("account").items() if value is not None}
    doc = empty | fields
    check(doc)
    return doc


def set_payouts_enabled(world: World, enabled: int) -> None:
    """Let Stripe stop paying out, or begin again.

    Source: https://docs.stripe.com/api/events/types#event_types-account.updated
    """
    was = world.store.setting("payouts_enabled", 1)
    world.store.set_setting("payouts_enabled", enabled)
    if was != enabled:
        world.emit("account.updated", account(world), {"payouts_enabled": bool(was)})
