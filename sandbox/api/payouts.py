"""Payouts by hand: money sent to the bank on request.

Source: https://docs.stripe.com/api/payouts/create
"""

from sandbox.engine.balance import balance
from sandbox.engine.payout import make
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_FIELDS = "amount currency description metadata statement_descriptor"


@operation("POST", "/v1/payouts", _FIELDS)
def create_payout(world: World, call: Call) -> Doc:
    """Send money to the bank now, no more than is available."""
    wanted = call.params["amount"]
    available = {each["currency"]: each["amount"] for each in balance(world)["available"]}
    if not 0 < wanted <= available.get(call.params["currency"], 0):
        message = "You have insufficient funds in your Stripe account for this transfer."
        raise invalid(message, param="amount", code="balance_insufficient")
    return make(world, call.picked(_FIELDS))
