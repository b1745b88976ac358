"""The customer portal: who is let in, what it offers, and what follows a new means of payment."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.contract.resources import skeleton
from sandbox.engine import payment
from sandbox.engine.checkout import Payer, method_by
from sandbox.engine.instruments import Decline
from sandbox.engine.method import set_default
from sandbox.engine.subscription import ENDED
from sandbox.errors import invalid
from sandbox.kernel.ids import token
from sandbox.kernel.world import Doc, World

_LASTS: Final = 3600
_KIND: Final = "billing_portal.configuration"
# What a new configuration has where nothing is said; what is not simulated is never switched on.
_UNSAID: Final[Mapping[str, Any]] = {
    "subscription_cancel": {
        "cancellation_reason": {"options": ["other"]},
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"duration": {"type": "indefinite"}},
    "subscription_update": {"proration_behavior": "none", "trial_update_behavior": "end_trial"},
}


def merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a configuration after a call that names some of what is in it."""
    return {**before} | {
        name: merged(before[name], value) if isinstance(before.get(name), dict) else value
        for name, value in given.items()
    }


def new_configuration(world: World, given: Mapping[str, Any], *, default: bool = False) -> Doc:
    """Store what a portal offers.

    Source: https://docs.stripe.com/customer-management/configure-portal
    """
    said = {"active": True, "features": _UNSAID, "is_default": default, "updated": world.now}
    fields = merged(merged(skeleton(_KIND), said), given)
    return world.create(_KIND, fields, event=f"{_KIND}.created")


def default_configuration(world: World) -> Doc:
    """Return the configuration somebody has saved in the Dashboard; here it is always there.

    Source: https://docs.stripe.com/customer-management/activate-no-code-customer-portal
    """
    for found in world.store.find(_KIND, {"is_default": True}, limit=1):
        return found
    features = {key: {"enabled": True} for key in ("invoice_history", "payment_method_update")}
    return new_configuration(world, {"features": features}, default=True)


def open_session(world: World, given: Mapping[str, Any]) -> Doc:
    """Let a customer in, for an hour, by an address nobody can guess.

    Source: https://docs.stripe.com/customer-management/integrate-customer-portal
    """
    key = token(48)
    fields = {"url": f"{world.url}/p/session/{key}", **given}
    kind = "billing_portal.session"
    return world.create(kind, fields, parent=key, event=f"{kind}.created")


def session_of(world: World, key: str) -> Doc | None:
    """Return the session an address lets in to, while it does."""
    found = world.store.children(key, "billing_portal.session")
    return found[0] if found and found[0]["created"] + _LASTS > world.now else None


def is_done(world: World, session: Doc) -> bool:
    """Say whether the one thing a flow is for has been done."""
    return bool(world.store.setting(session["id"], None))


def subscriptions(world: World, session: Doc) -> list[Doc]:
    """Return what the customer is subscribed to."""
    mine = world.store.find("subscription", {"customer": session["customer"]})
    return [each for each in mine if each["status"] not in ENDED]


def update_method(
    world: World, session: Doc, payer: Payer, *, everywhere: bool
) -> tuple[Doc, Decline | None]:
    """Keep a new card or account as the customer's usual one; of an account, with a new mandate.

    `everywhere` also takes from each subscription a payment method of its own.

    Source: https://docs.stripe.com/customer-management/portal-deep-links#flow-types
    """
    method = method_by(world, payer)
    if method is None:
        raise invalid("A payment method is needed.", param="payment_method")
    terms = {"customer": session["customer"], "payment_method_types": [method["type"]]}
    terms["metadata"] = {"everywhere": "yes"} if everywhere else {}
    intent = payment.open_setup(world, terms, parent=session["id"])
    intent, decline = payment.attempt(world, intent, method, present=True)
    if intent["status"] == "succeeded":
        _follow(world, intent)
    return intent, decline


@payment.on_settled
def _follow(world: World, intent: Doc) -> None:
    """Use what has been set up in the portal, at once or once the cardholder has confirmed."""
    # Source: https://docs.stripe.com/customer-management/integrate-customer-portal#webhooks
    session = world.store.owner(intent)
    if session.get("object") != "billing_portal.session" or intent["status"] != "succeeded":
        return
    world.store.set_setting(session["id"], bool(session["flow"]))
    for each in subscriptions(world, session) if intent["metadata"] else ():
        none = {"default_payment_method": None}
        world.change(each, none, event="customer.subscription.updated")
    set_default(world, world.get("customer", session["customer"]), intent["payment_method"])
