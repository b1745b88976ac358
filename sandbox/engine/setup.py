"""Setup intents: a means of payment is proved and kept, and nothing is charged."""

from sandbox.engine import mandate, payment
from sandbox.engine.cards import Decline
from sandbox.engine.method import attach, instrument_of
from sandbox.kernel.ids import new_id, token
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World


def open_setup(world: World, terms: Doc, *, parent: str = "") -> Doc:
    """Create a setup intent that waits for a means of payment.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    ident = new_id("setup_intent")
    fields = {
        "id": ident,
        "client_secret": f"{ident}_secret_{token(24)}",
        "status": "requires_payment_method",
        "usage": "off_session",
        **terms,
    }
    return world.create("setup_intent", fields, parent=parent, event="setup_intent.created")


def attempt(world: World, intent: Doc, method: Doc) -> tuple[Doc, Decline | None]:
    """Prove a means of payment with its owner there, as `payment.attempt` would charge it.

    Source: https://docs.stripe.com/payments/setup-intents
    """
    instrument = instrument_of(method)
    if instrument.now is not None:
        return _refuse(world, intent, method, instrument.now), instrument.now
    if instrument.asks:
        fields = payment.asked(world, intent, method)
        return world.change(intent, fields, event="setup_intent.requires_action"), None
    return _succeed(world, intent, method), None


def authenticate(world: World, intent: Doc, *, confirmed: bool) -> Doc:
    """Go on after the cardholder's bank has asked them.

    Source: https://docs.stripe.com/payments/3d-secure/authentication-flow
    """
    method = world.get("payment_method", intent["payment_method"])
    if confirmed:
        return payment.told(world, _succeed(world, intent, method))
    decline = Decline("", payment.UNAUTHENTICATED, "setup_intent_authentication_failure")
    return payment.told(world, _refuse(world, intent, method, decline))


def _succeed(world: World, intent: Doc, method: Doc) -> Doc:
    """Keep the means of payment for later; only then is it the customer's.

    Source: https://docs.stripe.com/payments/save-and-reuse
    """
    if intent["customer"]:
        method = attach(world, method, intent["customer"])
    permit = mandate.of(world, method["id"])
    fields = {
        "last_setup_error": None,
        "mandate": permit["id"] if permit else None,
        "next_action": None,
        "payment_method": method["id"],
        "status": "succeeded",
    }
    return world.change(intent, fields, event="setup_intent.succeeded")


def _refuse(world: World, intent: Doc, method: Doc, decline: Decline) -> Doc:
    """Let the setup intent wait for another means of payment, and say why.

    Source: https://docs.stripe.com/declines
    """
    fields = {
        "last_setup_error": payment.error_of(decline, method),
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    return world.change(intent, fields, event="setup_intent.setup_failed")
