"""What Stripe has made of a command whose answer was lost: found by our own marks, never by search.

Source: https://docs.stripe.com/search#data-freshness
"""

from datetime import timedelta
from typing import Final

import stripe

from billing.models import Command
from billing.stripe_gateway.client import Gateway

_PAGE: Final = 100
_APART: Final = timedelta(minutes=5)  # by how much two clocks may differ


def session(gateway: Gateway, command: Command) -> stripe.checkout.Session | None:
    """Find the Checkout session that carries the mark of the checkout a command is about."""
    since = int((command.created_at - _APART).timestamp())
    sessions = gateway.client.v1.checkout.sessions
    found = gateway.ask(
        lambda: list(sessions.list({"created": {"gte": since}, "limit": _PAGE}).auto_paging_iter())
    )
    return next((each for each in found if each.client_reference_id == command.subject), None)


def refund(gateway: Gateway, command: Command) -> stripe.Refund | None:
    """Find the refund that carries a command's own mark."""
    refunds = gateway.client.v1.refunds
    found = gateway.ask(
        lambda: list(
            refunds.list({"payment_intent": command.subject, "limit": _PAGE}).auto_paging_iter()
        )
    )
    mine = str(command.id)
    return next(
        (r for r in found if r.metadata and r.metadata.to_dict().get("command") == mine), None
    )
