"""Refunds, as the API makes and shows them.

Source: https://docs.stripe.com/api/refunds
"""

from sandbox.engine.refund import refund
from sandbox.errors import invalid
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.metadata import merged
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


@operation("POST", "/v1/refunds", "amount charge metadata payment_intent reason")
def create_refund(world: World, call: Call) -> Doc:
    """Refund a charge, or the charge that paid an intent."""
    params = call.params
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("Pass either charge or payment_intent.", param="charge")
    ident = params.get("charge")
    if ident is None:
        intent = world.get(
            "payment_intent", params["payment_intent"], param="payment_intent", status=400
        )
        ident = intent["latest_charge"]
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge."
            raise invalid(message, param="payment_intent")
    return refund(
        world,
        world.get("charge", ident, param="charge", status=400),
        amount=params.get("amount"),
        reason=params.get("reason"),
        metadata=merged(None, params.get("metadata")),
    )
