"""Where Stripe sends its events: the webhook endpoints of the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import stripe

from billing.stripe_gateway.client import API_VERSION, APP, Gateway
from billing.stripe_gateway.values import text

_PAGE = 100


@dataclass(frozen=True, slots=True)
class StripeEndpoint:
    """One webhook endpoint.

    Attributes:
        secret: its signing secret; Stripe tells it once, when the endpoint is made.
    """

    id: str
    url: str
    enabled: bool
    api_version: str
    event_types: tuple[str, ...]
    secret: str = ""

    def missing(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the types it is not sent, out of those we act on."""
        if "*" in self.event_types:
            return ()
        return tuple(each for each in wanted if each not in self.event_types)


def endpoints(gateway: Gateway) -> list[StripeEndpoint]:
    """Read every endpoint of the account."""
    found = gateway.ask(
        lambda: list(gateway.client.v1.webhook_endpoints.list({"limit": _PAGE}).auto_paging_iter())
    )
    return [_endpoint_of(each) for each in found]


def create_endpoint(gateway: Gateway, url: str, *, event_types: Sequence[str]) -> StripeEndpoint:
    """Make an endpoint for events of our pinned API version; its secret comes with the answer."""
    # Any: the SDK's type is the closed list of what Stripe knows, which Stripe checks better.
    params: Any = {
        "url": url,
        "enabled_events": list(event_types),
        "api_version": API_VERSION,
        "metadata": {"app": APP},
    }
    made = gateway.ask(lambda: gateway.client.v1.webhook_endpoints.create(params))
    return _endpoint_of(made)


def update_endpoint(
    gateway: Gateway, endpoint_id: str, *, event_types: Sequence[str]
) -> StripeEndpoint:
    """Have an endpoint sent exactly these types, and enable it again if Stripe had given up."""
    params: Any = {"enabled_events": list(event_types), "disabled": False}
    changed = gateway.ask(lambda: gateway.client.v1.webhook_endpoints.update(endpoint_id, params))
    return _endpoint_of(changed)


def _endpoint_of(found: stripe.WebhookEndpoint) -> StripeEndpoint:
    return StripeEndpoint(
        id=found.id,
        url=found.url,
        enabled=found.status == "enabled",
        api_version=text(found.api_version),
        event_types=tuple(found.enabled_events),
        secret=text(getattr(found, "secret", None)),
    )
