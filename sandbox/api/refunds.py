"""Refunds, as the API makes them.

Source: https://docs.stripe.com/api/refunds
"""

from sandbox.engine.refund import refund, update
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("POST", "/v1/refunds", "amount charge metadata payment_intent reason")
def create_refund(world: World, call: Call) -> Doc:
    """Refund a charge, or the charge that paid an intent."""
    if ("charge" in call.params) == ("payment_intent" in call.params):
        raise invalid("Pass either charge or payment_intent.", param="charge")
    ident = call.params.get("charge")
    if ident is None:
        given = call.params["payment_intent"]
        intent = world.get("payment_intent", given, param="payment_intent", status=400)
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge."
            raise invalid(message, param="payment_intent")
        ident = intent["latest_charge"]
    charge = world.get("charge", ident, param="charge", status=400)
    fields = call.picked("metadata reason")
    return refund(world, charge, amount=call.params.get("amount"), fields=fields)


@operation("POST", "/v1/refunds/{refund}", "metadata")
def update_refund(world: World, call: Call) -> Doc:
    """Change what is noted on a refund."""
    made = world.get("refund", call.id)
    return update(world, made, call.picked("metadata", made))
