"""Money: the account, its balance and what moved it; refunds, and payouts by hand.

Source: https://docs.stripe.com/api/balance_transactions
"""

from sandbox.engine.balance import account, balance
from sandbox.engine.payout import make
from sandbox.engine.refund import refund, update
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.store import Clause

_FILTERS = "currency source type"
_PAYOUT = "amount currency description metadata statement_descriptor"


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
        payout = call.named(world, "payout")
        if not payout["automatic"]:
            message = "Balance transaction history can only be filtered on automatic transfers, "
            raise invalid(f"{message}not manual.", param="payout")
        ready = payout["reconciliation_status"] == "completed"
        within = ("parent = ?", payout["id"] if ready else "not yet")
    return page(world, call, "balance_transaction", _FILTERS, and_=within)


@operation("POST", "/v1/payouts", _PAYOUT)
def create_payout(world: World, call: Call) -> Doc:
    """Send money to the bank now, no more than is available.

    Source: https://docs.stripe.com/api/payouts/create
    """
    available = {each["currency"]: each["amount"] for each in balance(world)["available"]}
    if not 0 < call.params["amount"] <= available.get(call.params["currency"], 0):
        message = "You have insufficient funds in your Stripe account for this transfer."
        raise invalid(message, param="amount", code="balance_insufficient")
    return make(world, call.picked(_PAYOUT))


@operation("POST", "/v1/refunds", "amount charge metadata payment_intent reason")
def create_refund(world: World, call: Call) -> Doc:
    """Refund a charge, or the charge that paid an intent.

    Source: https://docs.stripe.com/api/refunds
    """
    if ("charge" in call.params) == ("payment_intent" in call.params):
        raise invalid("Pass either charge or payment_intent.", param="charge")
    if "charge" in call.params:
        charge = call.named(world, "charge")
    else:
        intent = call.named(world, "payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge."
            raise invalid(message, param="payment_intent")
        charge = world.get("charge", intent["latest_charge"])
    fields = call.picked("metadata reason")
    return refund(world, charge, amount=call.params.get("amount"), fields=fields)


@operation("POST", "/v1/refunds/{refund}", "metadata")
def update_refund(world: World, call: Call) -> Doc:
    """Change what is noted on a refund."""
    made = world.get("refund", call.id)
    return update(world, made, call.picked("metadata", made))
