"""What somebody at Stripe's dashboard does, through the official SDK. Not the product's doing."""

from stripe import StripeClient

KEY = "sk_test_demonstration"


def open_dashboard(stripe: str) -> StripeClient:
    """Return the SDK, speaking to the local Stripe at an address."""
    return StripeClient(KEY, base_addresses={"api": stripe}, max_network_retries=2)


def forget_endpoints(stripe: str) -> None:
    """Have no events sent anywhere."""
    client = open_dashboard(stripe)
    for old in client.v1.webhook_endpoints.list({"limit": 100}).data:
        client.v1.webhook_endpoints.delete(old.id)


def refund(client: StripeClient, payment_intent: str) -> None:
    """Give all of a payment back."""
    client.v1.refunds.create({"payment_intent": payment_intent, "reason": "requested_by_customer"})
