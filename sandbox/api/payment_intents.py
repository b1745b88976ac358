"""Payment intents, as the API gives them up. Checkout and invoices are what begins them.

Source: https://docs.stripe.com/api/payment_intents
"""

from sandbox.engine import payment
from sandbox.errors import StripeError
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


@operation("POST", "/v1/payment_intents/{intent}/cancel", "cancellation_reason")
def cancel_payment_intent(world: World, call: Call) -> Doc:
    """Cancel an intent that has not been paid; what a Checkout page opened, that page closes."""
    intent = world.get("payment_intent", call.id)
    owner = world.store.get(world.store.parent(intent["id"])) or {}
    if intent["status"] not in _OPEN or owner.get("object") == "checkout.session":
        message = (
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        )
        if intent["status"] in _OPEN:
            message = "You cannot cancel a PaymentIntent created by Checkout; expire the Session."
        code = "payment_intent_unexpected_state"
        raise StripeError(400, "invalid_request_error", message, code=code)
    return payment.cancel(world, intent, reason=call.params.get("cancellation_reason"))
