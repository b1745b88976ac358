"""The account, its balance and what moved it.

Source: https://docs.stripe.com/api/balance_transactions
"""

from sandbox.engine.account import account
from sandbox.engine.balance import balance
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Clause, Doc
from sandbox.kernel.world import World

_FILTERS = "currency source type"


@operation("GET", "/v1/account")
def retrieve_account(world: World, _: Call) -> Doc:
    """Return the account the key belongs to."""
    return account(world)


@operation("GET", "/v1/balance")
def retrieve_balance(world: World, _: Call) -> Doc:
    """Return the balance."""
    return balance(world)


@operation("GET", "/v1/balance_transactions", f"{_FILTERS} payout {PAGING}")
def list_transactions(world: World, call: Call) -> Doc:
    """List what moved the balance; of one payout, the payout's own movement among it.

    Source: https://docs.stripe.com/payouts/reconciliation
    """
    within: Clause = ()
    if "payout" in call.params:
        payout = world.get("payout", call.params["payout"], param="payout", status=400)
        if not payout["automatic"]:
            message = (
                "Balance transaction history can only be filtered on automatic transfers, not "
                "manual."
            )
            raise invalid(message, param="payout")
        ready = payout["reconciliation_status"] == "completed"
        within = ("parent = ?", payout["id"] if ready else "not yet")
    return page(world, call, "balance_transaction", _FILTERS, and_=within)
