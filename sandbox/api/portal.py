"""The customer portal, as the API configures and opens it.

Source: https://docs.stripe.com/api/customer_portal
"""

from typing import Any

from sandbox.engine import portal
from sandbox.errors import invalid, not_simulated
from sandbox.kernel.calls import Call, Doc, World, operation

_KIND = "billing_portal.configuration"
_FIELDS = "business_profile default_return_url metadata name"
_FEATURES = "features.invoice_history features.payment_method_update.enabled"
_FLOW = "payment_method_update"


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
    "configuration customer flow_data.type flow_data.after_completion locale return_url",
)
def create_session(world: World, call: Call) -> Doc:
    """Open the portal for a customer, or one flow of it."""
    call.need("customer")
    params, named = call.params, call.params.get("configuration")
    using = world.get(_KIND, named, status=400) if named else portal.default_configuration(world)
    fields = {
        "configuration": using["id"],
        "customer": call.named(world, "customer")["id"],
        "flow": _flow(params["flow_data"], using) if "flow_data" in params else None,
        "locale": params.get("locale"),
        "return_url": params.get("return_url") or using["default_return_url"],
    }
    return portal.open_session(world, fields)


def _flow(given: dict[str, Any], using: Doc) -> dict[str, Any]:
    """Return the one thing a session is for."""
    # Source: https://docs.stripe.com/customer-management/portal-deep-links
    if given["type"] != _FLOW:
        raise not_simulated(f"the portal flow {given['type']}", param="flow_data[type]")
    if not using["features"][_FLOW]["enabled"]:
        message = f"The {_FLOW} feature is disabled in the portal configuration."
        raise invalid(message, param="flow_data[type]")
    after: dict[str, Any] = {"hosted_confirmation": None, "redirect": None}
    after |= given.get("after_completion", {"type": "hosted_confirmation"})
    if after["type"] == "hosted_confirmation":
        said = after["hosted_confirmation"] or {}
        after["hosted_confirmation"] = {"custom_message": None, **said}
    others = ("cancel", "pause", "update", "update_confirm")
    rest = dict.fromkeys(["customer_update", *(f"subscription_{name}" for name in others)])
    return {"type": _FLOW, "after_completion": after, **rest}
