"""Intents: to pay or to keep a means of payment, the attempts, and what is told when decided late.

Always true: of an attempt the intent's status says all. What an attempt leaves undecided, days for
a bank or a moment for the cardholder, is told to `on_settled` when it is decided.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.engine import charge, fees, mandate
from sandbox.engine.instruments import (
    AUTHENTICATE,
    NO_MANDATE,
    UNAUTHORIZED,
    Decline,
    account_of,
    instrument_of,
)
from sandbox.engine.method import attach
from sandbox.kernel.ids import new_id, token
from sandbox.kernel.world import Doc, World, job

Follower = Callable[[World, Doc], None]
_FOLLOWERS: Final[list[Follower]] = []
_SETUP: Final = "setup_intent"
# Business days until a debit is known to have succeeded, with an active mandate and with a new one.
# Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
_DEBIT_DAYS: Final = 4
_FIRST_DEBIT_DAYS: Final = 7
# How each kind of intent says that it was refused: in which field, and by which event.
_REFUSED: Final = {
    "payment_intent": ("last_payment_error", "payment_intent.payment_failed"),
    _SETUP: ("last_setup_error", "setup_intent.setup_failed"),
}


def on_settled(follower: Follower) -> Follower:
    """Register who is told of an intent that was `processing` or `requires_action` no longer is."""
    _FOLLOWERS.append(follower)
    return follower


def open_intent(world: World, terms: Mapping[str, Any], *, parent: str) -> Doc:
    """Create an intent to pay; `parent` is what for.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    fields = {
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": "automatic_async",
        "confirmation_method": "automatic",
        "payment_method_types": ["card"],
        **terms,
    }
    return _opened(world, "payment_intent", fields, parent)


def open_setup(world: World, terms: Mapping[str, Any], *, parent: str) -> Doc:
    """Create an intent to prove and keep a means of payment: nothing is charged.

    Source: https://docs.stripe.com/payments/setup-intents
    """
    return _opened(world, _SETUP, {"usage": "off_session", **terms}, parent)


def attempt(world: World, intent: Doc, method: Doc, *, present: bool) -> tuple[Doc, Decline | None]:
    """Try to collect, or to keep, once; `present` says whether the payer is there.

    The intent is then `succeeded`, `processing` (a bank account), `requires_action` (the
    cardholder is to authenticate) or `requires_payment_method`; a refusal is returned as well.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    if method["type"] == "bacs_debit" and intent["object"] != _SETUP:
        return _debit(world, intent, method)
    instrument = instrument_of(method)
    decline = instrument.now if present else instrument.later
    if decline is AUTHENTICATE or (present and instrument.asks):
        return _ask(world, intent, method), decline
    if decline is not None:
        return _refuse(world, intent, method, decline), decline
    return _take(world, intent, method), None


def authenticate(world: World, intent: Doc, *, confirmed: bool) -> Doc:
    """Go on after the cardholder's bank has asked them: take what was asked for, or refuse.

    Source: https://docs.stripe.com/payments/3d-secure/authentication-flow
    """
    method = world.get("payment_method", intent["payment_method"])
    if confirmed:
        return _told(world, _take(world, intent, method))
    message = "The provided PaymentMethod has failed authentication."
    decline = Decline("", message, f"{intent['object']}_authentication_failure")
    return _told(world, _refuse(world, intent, method, decline))


def cancel(world: World, intent: Doc, *, reason: str | None) -> Doc:
    """Give up an intent that nothing has been collected with.

    Source: https://docs.stripe.com/api/payment_intents/cancel
    """
    closed = {"status": "canceled", "canceled_at": world.now, "cancellation_reason": reason}
    return world.change(intent, closed | {"next_action": None}, event="payment_intent.canceled")


def _opened(world: World, kind: str, fields: Doc, parent: str) -> Doc:
    ident = new_id(kind)
    fields = {"id": ident, "client_secret": f"{ident}_secret_{token(24)}", **fields}
    fields |= {"status": "requires_payment_method"}
    return world.create(kind, fields, parent=parent, event=f"{kind}.created")


def _ask(world: World, intent: Doc, method: Doc) -> Doc:
    """Let the cardholder confirm or fail on a page of their own."""
    # Source: https://docs.stripe.com/payments/3d-secure/authentication-flow
    address = {"url": f"{world.url}/authenticate/{intent['id']}", "return_url": None}
    fields = {
        "next_action": {"type": "redirect_to_url", "redirect_to_url": address},
        "payment_method": method["id"],
        "status": "requires_action",
    }
    return world.change(intent, fields, event=f"{intent['object']}.requires_action")


def _told(world: World, intent: Doc) -> Doc:
    """Tell those who follow it that an intent is decided, and return it as they leave it."""
    for follower in _FOLLOWERS:
        follower(world, intent)
    return world.get(intent["object"], intent["id"])


def _debit(world: World, intent: Doc, method: Doc) -> tuple[Doc, Decline | None]:
    """Submit a debit by Bacs; days later `_hear` of it."""
    # Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
    permit = mandate.of(world, method["id"])
    if permit is None or permit["status"] == "inactive":
        return _refuse(world, intent, method, NO_MANDATE), NO_MANDATE
    days = _DEBIT_DAYS if permit["status"] == "active" else _FIRST_DEBIT_DAYS
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
    """Learn from the bank how a debit ended; without a mandate none succeeds."""
    # Source: https://docs.stripe.com/payments/bacs-debit/accept-a-payment#testing
    intent = world.get("payment_intent", ident)
    if intent["status"] != "processing":
        return
    begun = world.get("charge", intent["latest_charge"])
    method = world.get("payment_method", intent["payment_method"])
    permit = mandate.of(world, method["id"])
    live = permit is not None and permit["status"] != "inactive"
    failure = account_of(method).failure if live else UNAUTHORIZED
    if failure is None:
        intent = _paid(world, intent, method, charge.finish(world, begun))
    else:
        intent = _refuse(world, intent, method, failure, begun)
        if failure is UNAUTHORIZED:
            mandate.revoke(world, method["id"], failure.code)
    _told(world, intent)


def _take(world: World, intent: Doc, method: Doc) -> Doc:
    """Charge a card; or keep the means of payment, which only then is the customer's."""
    # Source: https://docs.stripe.com/payments/save-and-reuse
    if intent["object"] != _SETUP:
        return _paid(world, intent, method, charge.succeed(world, intent, method))
    if intent["customer"]:
        method = attach(world, method, intent["customer"])
    permit = mandate.of(world, method["id"])
    fields = {"last_setup_error": None, "mandate": permit and permit["id"]}
    fields |= {"next_action": None, "payment_method": method["id"], "status": "succeeded"}
    return world.change(intent, fields, event="setup_intent.succeeded")


def _paid(world: World, intent: Doc, method: Doc, taken: Doc) -> Doc:
    # Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    fields = {"last_payment_error": None, "latest_charge": taken["id"]}
    fields |= {"next_action": None, "payment_method": method["id"], "status": "succeeded"}
    fields |= {"amount_received": intent["amount"]}
    return world.change(intent, fields, event="payment_intent.succeeded")


def _refuse(
    world: World, intent: Doc, method: Doc, decline: Decline, begun: Doc | None = None
) -> Doc:
    """Let the intent wait for another means of payment, and say why.

    No charge was made if the cardholder failed to authenticate, or there was no mandate to use.

    Source: https://docs.stripe.com/declines
    Source: https://docs.stripe.com/error-codes
    """
    name, event = _REFUSED[intent["object"]]
    error: Doc = {"code": decline.code, "message": decline.message, "payment_method": method}
    error["type"] = "card_error" if decline.decline_code else "invalid_request_error"
    error |= {"decline_code": decline.decline_code} if decline.decline_code else {}
    fields: Doc = {"status": "requires_payment_method", "next_action": None}
    fields |= {"payment_method": None, name: error}
    if intent["object"] != _SETUP and (decline.decline_code or begun is not None):
        failed = charge.fail(world, intent, method, decline, begun)
        error["charge"] = fields["latest_charge"] = failed["id"]
    return world.change(intent, fields, event=event)
