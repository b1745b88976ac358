"""The customer portal, as the API configures and opens it.

Source: https://docs.stripe.com/api/customer_portal
"""

from typing import Any

from sandbox.engine import portal
from sandbox.engine.subscription import ENDED
from sandbox.errors import invalid, lacking, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_KIND = "billing_portal.configuration"
_CANCEL = "features.subscription_cancel"
_FIELDS = "business_profile default_return_url metadata name"
_FEATURES = (
    f"features.invoice_history features.payment_method_update.enabled {_CANCEL}.enabled "
    f"{_CANCEL}.mode {_CANCEL}.cancellation_reason"
)
_FLOWS = ("payment_method_update", "subscription_cancel")


@operation("POST", "/v1/billing_portal/configurations", f"{_FIELDS} {_FEATURES}")
def create_configuration(world: World, call: Call) -> Doc:
    """Create a configuration; what is not named is not offered."""
    return portal.new_configuration(world, call.picked(f"{_FIELDS} features"))


@operation(
    "POST",
    "/v1/billing_portal/configurations/{configuration}",
    f"active {_FIELDS} {_FEATURES}",
)
def update_configuration(world: World, call: Call) -> Doc:
    """Change what a configuration offers."""
    before = world.get(_KIND, call.id)
    fields = call.picked(f"active {_FIELDS}", before) | {"updated": world.now}
    for name in {"business_profile", "features"} & call.params.keys():
        fields[name] = portal.merged(before[name], call.params[name])
    return world.change(before, fields, event=f"{_KIND}.updated")


@operation(
    "POST",
    "/v1/billing_portal/sessions",
    "configuration customer flow_data locale return_url",
)
def create_session(world: World, call: Call) -> Doc:
    """Open the portal for a customer, or one flow of it."""
    call.need("customer")
    params = call.params
    customer = world.get("customer", params["customer"], param="customer", status=400)
    named = params.get("configuration")
    using = world.get(_KIND, named, status=400) if named else portal.default_configuration(world)
    fields = {
        "configuration": using["id"],
        "customer": customer["id"],
        "flow": _flow(world, params["flow_data"], using, customer)
        if "flow_data" in params
        else None,
        "locale": params.get("locale"),
        "return_url": params.get("return_url") or using["default_return_url"],
    }
    return portal.open_session(world, fields)


def _flow(world: World, given: dict[str, Any], using: Doc, customer: Doc) -> dict[str, Any]:
    """Return the one thing a session is for.

    Source: https://docs.stripe.com/customer-management/portal-deep-links
    """
    kind = given["type"]
    if kind not in _FLOWS:
        raise not_simulated(f"the portal flow {kind}", param="flow_data[type]")
    if not using["features"][kind]["enabled"]:
        message = f"The {kind} feature is disabled in the portal configuration."
        raise invalid(message, param="flow_data[type]")
    if kind == "subscription_cancel":
        if kind not in given:
            raise lacking(f"flow_data[{kind}]")
        if "retention" in given[kind]:
            raise not_simulated("a retention offer", param=f"flow_data[{kind}][retention]")
        _check_ending(world, given[kind]["subscription"], customer)
    after: dict[str, Any] = {"hosted_confirmation": None, "redirect": None}
    after |= given.get("after_completion", {"type": "hosted_confirmation"})
    if after["type"] == "hosted_confirmation":
        said = after["hosted_confirmation"] or {}
        after["hosted_confirmation"] = {"custom_message": None, **said}
    rest = ("update", "update_confirm", "pause", "cancel")
    flow = dict.fromkeys(["customer_update", *(f"subscription_{name}" for name in rest)])
    if kind == "subscription_cancel":
        flow[kind] = {"retention": None, **given[kind]}
    return {"type": kind, "after_completion": after, **flow}


def _check_ending(world: World, ident: str, customer: Doc) -> None:
    param = "flow_data[subscription_cancel][subscription]"
    subscription = world.get("subscription", ident, param=param, status=400)
    if subscription["customer"] != customer["id"] or subscription["status"] in ENDED:
        raise invalid(f"No such subscription: '{ident}'", param=param, code="resource_missing")
    if subscription["cancel_at_period_end"]:
        message = f"The subscription `{ident}` is already set to be canceled at period end."
        raise invalid(message, param=param)
