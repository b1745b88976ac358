"""Payments: an intent, the attempts to collect it, and what is told when one is decided late.

Always true: of an attempt the intent's status says all. What an attempt leaves undecided, days for
a bank or a moment for the cardholder, is told to `on_settled` when it is decided.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.engine import charge, fees, mandate
from sandbox.engine.bank import (
    DEBIT_DAYS,
    FIRST_DEBIT_DAYS,
    NO_MANDATE,
    UNAUTHORIZED,
    account_of,
)
from sandbox.engine.cards import AUTHENTICATE, Decline, card_of
from sandbox.kernel.ids import new_id, token
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World, job

Follower = Callable[[World, Doc], None]
_FOLLOWERS: Final[list[Follower]] = []
UNAUTHENTICATED: Final = "The provided PaymentMethod has failed authentication."


def on_settled(follower: Follower) -> Follower:
    """Register who is told of an intent that was `processing` or `requires_action` no longer is."""
    _FOLLOWERS.append(follower)
    return follower


def open_intent(world: World, terms: Mapping[str, Any], *, parent: str) -> Doc:
    """Create an intent that waits for a means of payment; `parent` is what it is to pay for.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    ident = new_id("payment_intent")
    fields = {
        "id": ident,
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": "automatic_async",
        "client_secret": f"{ident}_secret_{token(24)}",
        "confirmation_method": "automatic",
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        **terms,
    }
    return world.create("payment_intent", fields, parent=parent, event="payment_intent.created")


def attempt(world: World, intent: Doc, method: Doc, *, present: bool) -> tuple[Doc, Decline | None]:
    """Try to collect once; `present` says whether the payer is there.

    The intent is then `succeeded`, `processing` (a bank account), `requires_action` (the
    cardholder is to authenticate) or `requires_payment_method`; a refusal is returned as well.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    if method["type"] == "bacs_debit":
        return _debit(world, intent, method)
    card = card_of(method)
    decline = card.now if present else card.later
    if decline is AUTHENTICATE or (present and card.asks):
        fields = asked(world, intent, method)
        return world.change(intent, fields, event="payment_intent.requires_action"), decline
    if decline is not None:
        return _refuse(world, intent, method, decline), decline
    return _succeed(world, intent, method, charge.succeed(world, intent, method)), None


def authenticate(world: World, intent: Doc, *, confirmed: bool) -> Doc:
    """Go on after the cardholder's bank has asked them: charge the card, or refuse.

    Source: https://docs.stripe.com/payments/3d-secure/authentication-flow
    """
    method = world.get("payment_method", intent["payment_method"])
    if confirmed:
        intent = _succeed(world, intent, method, charge.succeed(world, intent, method))
    else:
        decline = Decline("", UNAUTHENTICATED, "payment_intent_authentication_failure")
        intent = _refuse(world, intent, method, decline)
    return told(world, intent)


def cancel(world: World, intent: Doc, *, reason: str | None) -> Doc:
    """Give up an intent that nothing has been collected with.

    Source: https://docs.stripe.com/api/payment_intents/cancel
    """
    closed = {"status": "canceled", "canceled_at": world.now, "cancellation_reason": reason}
    return world.change(intent, closed | {"next_action": None}, event="payment_intent.canceled")


def asked(world: World, intent: Doc, method: Doc) -> dict[str, Any]:
    """Return the fields of an intent whose cardholder is to confirm or fail on a page of their own.

    Source: https://docs.stripe.com/payments/3d-secure/authentication-flow
    """
    address = {"url": f"{world.url}/authenticate/{intent['id']}", "return_url": None}
    return {
        "next_action": {"type": "redirect_to_url", "redirect_to_url": address},
        "payment_method": method["id"],
        "status": "requires_action",
    }


def told(world: World, intent: Doc) -> Doc:
    """Tell those who follow it that an intent is decided, and return it as they leave it."""
    for follower in _FOLLOWERS:
        follower(world, intent)
    return world.get(intent["object"], intent["id"])


def error_of(decline: Decline, method: Doc) -> dict[str, Any]:
    """Return a refusal as an intent tells it.

    Source: https://docs.stripe.com/error-codes
    """
    kind = "card_error" if decline.decline_code else "invalid_request_error"
    error = {"type": kind, "code": decline.code, "message": decline.message}
    error |= {"decline_code": decline.decline_code} if decline.decline_code else {}
    return error | {"payment_method": method}


def _debit(world: World, intent: Doc, method: Doc) -> tuple[Doc, Decline | None]:
    """Submit a debit by Bacs; days later `_hear` of it.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
    """
    permit = mandate.of(world, method["id"])
    if permit is None or permit["status"] == "inactive":
        return _refuse(world, intent, method, NO_MANDATE), NO_MANDATE
    days = DEBIT_DAYS if permit["status"] == "active" else FIRST_DEBIT_DAYS
    due = fees.business_days_after(world.now, days)
    expected = datetime.fromtimestamp(due, UTC).date().isoformat()
    begun = charge.begin(world, intent, method, permit, expected=expected)
    fields = {
        "last_payment_error": None,
        "latest_charge": begun["id"],
        "payment_method": method["id"],
        "status": "processing",
    }
    world.schedule(due, "debit.due", intent["id"])
    return world.change(intent, fields, event="payment_intent.processing"), None


@job("debit.due")
def _hear(world: World, ident: str) -> None:
    """Learn from the bank how a debit ended; without a mandate none succeeds.

    Source: https://docs.stripe.com/payments/bacs-debit/accept-a-payment#testing
    """
    intent = world.get("payment_intent", ident)
    if intent["status"] != "processing":
        return
    begun = world.get("charge", intent["latest_charge"])
    method = world.get("payment_method", intent["payment_method"])
    permit = mandate.of(world, method["id"])
    live = permit is not None and permit["status"] != "inactive"
    failure = account_of(method).failure if live else UNAUTHORIZED
    if failure is None:
        intent = _succeed(world, intent, method, charge.finish(world, begun))
    else:
        intent = _refuse(world, intent, method, failure, begun)
        if failure is UNAUTHORIZED:
            mandate.revoke(world, method["id"], failure.code)
    told(world, intent)


def _succeed(world: World, intent: Doc, method: Doc, taken: Doc) -> Doc:
    fields = {
        "amount_received": intent["amount"],
        "last_payment_error": None,
        "latest_charge": taken["id"],
        "next_action": None,
        "payment_method": method["id"],
        "status": "succeeded",
    }
    return world.change(intent, fields, event="payment_intent.succeeded")


def _refuse(
    world: World, intent: Doc, method: Doc, decline: Decline, begun: Doc | None = None
) -> Doc:
    """Let the intent wait for another means of payment, and say why.

    No charge was made if the cardholder failed to authenticate, or there was no mandate to use.

    Source: https://docs.stripe.com/declines
    """
    error = error_of(decline, method)
    fields: dict[str, Any] = {"status": "requires_payment_method"}
    fields |= {"next_action": None, "payment_method": None}
    if decline.decline_code or begun is not None:
        failed = charge.fail(world, intent, method, decline, begun)
        error |= {"charge": failed["id"]}
        fields |= {"latest_charge": failed["id"]}
    fields |= {"last_payment_error": error}
    return world.change(intent, fields, event="payment_intent.payment_failed")
