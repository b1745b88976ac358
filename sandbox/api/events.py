"""Events, as the API lists them for thirty days, and the webhook endpoints they go to.

Source: https://docs.stripe.com/api/events
Source: https://docs.stripe.com/api/webhook_endpoints
"""

from urllib.parse import urlsplit

from sandbox.errors import invalid, not_simulated
from sandbox.kernel.calls import Call, Doc, World, operation
from sandbox.kernel.ids import token
from sandbox.kernel.paging import PAGING, page
from sandbox.kernel.versions import OLDER
from sandbox.kernel.world import job

_KEPT_SECONDS = 30 * 24 * 3600
_ONE = "/v1/webhook_endpoints/{webhook_endpoint}"
_FIELDS = "url enabled_events description metadata"


@operation("GET", "/v1/events", f"type types {PAGING}")
def list_events(world: World, call: Call) -> Doc:
    """List events of the last thirty days, by type or group of types (`invoice.*`)."""
    if {"type", "types"} <= call.params.keys():
        raise invalid("You may not pass both type and types.", param="types")
    types = call.params.get("types") or [call.params.get("type", "*")]
    wanted = " OR ".join(["json_extract(doc, '$.type') GLOB ?"] * len(types))
    condition = f"json_extract(doc, '$.created') >= ? AND ({wanted})"
    return page(world, call, "event", and_=(condition, world.now - _KEPT_SECONDS, *types))


@operation("POST", "/v1/webhook_endpoints", f"{_FIELDS} api_version")
def create_endpoint(world: World, call: Call) -> Doc:
    """Create an endpoint; its secret is shown here and never again."""
    _check_url(call)
    version = call.params.get("api_version", world.version)
    if version not in {world.version, *OLDER}:
        raise not_simulated(f"events of API version {version}", param="api_version")
    fields = call.picked(f"{_FIELDS} api_version") | {"status": "enabled"}
    endpoint = world.create("webhook_endpoint", fields)
    secret = f"whsec_{token(32)}"
    world.store.db.execute("INSERT INTO secret VALUES (?, ?)", (endpoint["id"], secret))
    return endpoint | {"secret": secret}


@operation("POST", _ONE, f"{_FIELDS} disabled")
def update_endpoint(world: World, call: Call) -> Doc:
    """Change an endpoint, or switch it off and on."""
    endpoint = world.get("webhook_endpoint", call.id)
    _check_url(call)
    fields = call.picked(_FIELDS, endpoint)
    if "disabled" in call.params:
        fields["status"] = "disabled" if call.params["disabled"] else "enabled"
    return world.change(endpoint, fields)


@operation("DELETE", _ONE)
def delete_endpoint(world: World, call: Call) -> Doc:
    """Delete an endpoint and what was still owed to it."""
    endpoint = world.get("webhook_endpoint", call.id)
    world.deliveries.forget(endpoint["id"])
    return world.delete(endpoint)


def roll_secret(world: World, endpoint: Doc, *, hours: float) -> str:
    """Return a new secret, with which events are signed too; the old one ends in `hours`.

    Source: https://docs.stripe.com/webhooks#roll-endpoint-secrets
    """
    secret = f"whsec_{token(32)}"
    world.deliveries.roll(endpoint["id"], secret)
    world.schedule(world.now + round(hours * 3600), "endpoint.secret", endpoint["id"])
    return secret


@job("endpoint.secret")
def _expire(world: World, endpoint: str) -> None:
    world.deliveries.expire(endpoint)


def _check_url(call: Call) -> None:
    if "url" in call.params:
        parts = urlsplit(call.params["url"])
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise invalid("Invalid URL: it must begin with http:// or https://", param="url")
