"""Handing Stripe's events to our door by hand: a test chooses which, when and how often."""

import json
import time
from collections.abc import Iterable
from typing import Any

from fastapi.testclient import TestClient
from stripe import WebhookSignature

from billing.context import Context
from tests.support.stripe import LocalStripe
from webhooks import inbox


def events(stripe: LocalStripe) -> list[dict[str, Any]]:
    """Return everything Stripe has said, oldest first."""
    said = stripe.client.v1.events.list({"limit": 100}).auto_paging_iter()
    return [json.loads(str(event)) for event in said][::-1]


def deliver(client: TestClient, context: Context, said: Iterable[dict[str, Any]]) -> None:
    """Send events through the door, then handle all that is owed."""
    secret = context.settings.stripe_webhook_secrets[0].get_secret_value()
    for event in said:
        body = json.dumps(event)
        header = WebhookSignature.generate_signature_header(body, secret, int(time.time()))
        answer = client.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": header})
        assert answer.status_code == 200, answer.text
    work_off(context)


def work_off(context: Context) -> None:
    """Handle every event that is due."""
    while inbox.handle_due(context, most=50):
        pass
