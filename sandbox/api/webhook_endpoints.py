"""Webhook endpoints: where events go.

Source: https://docs.stripe.com/api/webhook_endpoints
"""

from urllib.parse import urlsplit

from sandbox.errors import invalid, not_simulated
from sandbox.kernel.calls import Call, operation
from sandbox.kernel.ids import token
from sandbox.kernel.store import Doc
from sandbox.kernel.versions import OLDER
from sandbox.kernel.world import World, job

_FIELDS = "url enabled_events description metadata"


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


@operation("POST", "/v1/webhook_endpoints/{webhook_endpoint}", f"{_FIELDS} disabled")
def update_endpoint(world: World, call: Call) -> Doc:
    """Change an endpoint, or switch it off and on."""
    endpoint = world.get("webhook_endpoint", call.id)
    _check_url(call)
    fields = call.picked(_FIELDS, endpoint)
    if "disabled" in call.params:
        fields["status"] = "disabled" if call.params["disabled"] else "enabled"
    return world.change(endpoint, fields)


@operation("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
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
    if hours:
        world.schedule(world.now + round(hours * 3600), "endpoint.secret", endpoint["id"])
    else:
        _expire(world, endpoint["id"])
    return secret


@job("endpoint.secret")
def _expire(world: World, endpoint: str) -> None:
    world.deliveries.expire(endpoint)


def _check_url(call: Call) -> None:
    if "url" in call.params:
        parts = urlsplit(call.params["url"])
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise invalid("Invalid URL: it must begin with http:// or https://", param="url")
