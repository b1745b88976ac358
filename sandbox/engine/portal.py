"""The customer portal: what a reader may do there, and what follows when they do it."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.contract.resources import skeleton
from sandbox.engine import mandate, payment, setup, subscription
from sandbox.engine.bank import Account
from sandbox.engine.cards import Decline
from sandbox.engine.checkout import Payer
from sandbox.engine.method import new_method, set_default
from sandbox.errors import invalid
from sandbox.kernel.ids import token
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_LASTS: Final = 3600
_REASONS: Final = (
    "customer_service low_quality missing_features other switched_service too_complex "
    "too_expensive unused"
).split()
# What a new configuration has where nothing is said; what is not simulated is never switched on.
_UNSAID: Final[Mapping[str, Any]] = {
    "subscription_cancel": {
        "cancellation_reason": {"options": _REASONS},
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
    kind = "billing_portal.configuration"
    said = {"active": True, "features": _UNSAID, "is_default": default, "updated": world.now}
    fields = merged(merged(skeleton(kind), said), given)
    return world.create(kind, fields, event=f"{kind}.created")


def default_configuration(world: World) -> Doc:
    """Return the configuration somebody has saved in the Dashboard; here it is always there.

    Source: https://docs.stripe.com/customer-management/activate-no-code-customer-portal
    """
    kind, on = "billing_portal.configuration", {"enabled": True}
    for found in world.store.find(kind, {"is_default": True}, limit=1):
        return found
    names = ("invoice_history", "payment_method_update", "subscription_cancel")
    return new_configuration(world, {"features": dict.fromkeys(names, on)}, default=True)


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
    """Return what the customer is subscribed to; in a flow to cancel, only what it names."""
    flow = session["flow"] or {}
    wanted = (flow.get("subscription_cancel") or {}).get("subscription")
    mine = world.store.find("subscription", {"customer": session["customer"]})
    return [
        each
        for each in mine
        if each["status"] not in subscription.ENDED and wanted in {None, each["id"]}
    ]


def cancel(world: World, session: Doc, ending: Doc, said: Mapping[str, Any]) -> Doc:
    """Cancel a subscription at once or with its period, as the configuration has it.

    Source: https://docs.stripe.com/customer-management/cancellation-page
    """
    _done(world, session)
    features = world.get("billing_portal.configuration", session["configuration"])["features"]
    if features["subscription_cancel"]["mode"] == "immediately":
        return subscription.end(world, ending, reason="cancellation_requested", said=said)
    at = max(subscription.period_ends(ending))
    return _ends(world, ending, at, {**said, "reason": "cancellation_requested"})


def resume(world: World, ending: Doc) -> Doc:
    """Let a subscription that was to end with its period go on.

    Source: https://docs.stripe.com/customer-management/integrate-customer-portal#webhooks
    """
    return _ends(world, ending, None, dict.fromkeys(("comment", "feedback", "reason")))


def update_method(
    world: World, session: Doc, payer: Payer, *, everywhere: bool
) -> tuple[Doc, Decline | None]:
    """Keep a new card or account as the customer's usual one; of an account, with a new mandate.

    `everywhere` also takes from each subscription a payment method of its own.

    Source: https://docs.stripe.com/customer-management/portal-deep-links#flow-types
    """
    if payer.instrument is None:
        raise invalid("A payment method is needed.", param="payment_method")
    method = new_method(world, payer.instrument, payer.details, payer.expiry)
    if isinstance(payer.instrument, Account):
        mandate.grant(world, method)
    terms = {"customer": session["customer"], "payment_method_types": [method["type"]]}
    terms["metadata"] = {"everywhere": "yes"} if everywhere else {}
    intent = setup.open_setup(world, terms, parent=session["id"])
    intent, decline = setup.attempt(world, intent, method)
    if intent["status"] == "succeeded":
        _follow(world, intent)
    return intent, decline


@payment.on_settled
def _follow(world: World, intent: Doc) -> None:
    """Use what has been set up in the portal, at once or once the cardholder has confirmed.

    Source: https://docs.stripe.com/customer-management/integrate-customer-portal#webhooks
    """
    session = world.store.get(world.store.parent(intent["id"])) or {}
    if session.get("object") != "billing_portal.session" or intent["status"] != "succeeded":
        return
    _done(world, session)
    for each in subscriptions(world, session) if intent["metadata"] else ():
        none = {"default_payment_method": None}
        world.change(each, none, event="customer.subscription.updated")
    set_default(world, world.get("customer", session["customer"]), intent["payment_method"])


def _done(world: World, session: Doc) -> None:
    world.store.set_setting(session["id"], bool(session["flow"]))


def _ends(world: World, ending: Doc, at: int | None, said: Mapping[str, Any]) -> Doc:
    fields = {
        "cancel_at": at,
        "cancel_at_period_end": at is not None,
        "canceled_at": world.now if at else None,
        "cancellation_details": ending["cancellation_details"] | dict(said),
    }
    changed = world.change(ending, fields, event="customer.subscription.updated")
    subscription.await_due(world, changed)
    return changed
