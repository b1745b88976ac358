"""Invoices to come: what the next one would be, found by making it and taking all of it back."""

from collections.abc import Callable

from sandbox.engine.renewal import renew
from sandbox.engine.subscription import ENDED, period_ends
from sandbox.errors import StripeError
from sandbox.kernel.ids import token
from sandbox.kernel.world import Doc, World, job

Change = Callable[[], Doc]


def preview(world: World, change: Change) -> Doc:
    """Return the invoice that comes of a change, or else of the next renewal; nothing is kept.

    `change` returns the subscription as it would be.

    Raises:
        StripeError: no invoice is to come.

    Source: https://docs.stripe.com/api/invoices/create_preview
    """
    world.store.db.execute("SAVEPOINT preview")
    try:
        known = [bill["id"] for bill in world.store.find("invoice", limit=1)]
        subscription = change()
        made = [bill for bill in world.store.find("invoice", limit=1) if bill["id"] not in known]
        bill = made[0] if made else _renewed(world, subscription)
        drafted = {"type": "invoice.created", "data.object.id": bill["id"]}
        doc: Doc = world.store.find("event", drafted)[0]["data"]["object"]
    finally:
        world.store.db.execute("ROLLBACK TO preview")
        world.store.db.execute("RELEASE preview")
    return doc | {"id": f"upcoming_in_{token(24)}", "automatically_finalizes_at": None}


@job("subscription.upcoming")
def _announce(world: World, ident: str) -> None:
    """Tell of a renewal some days before: an invoice that does not exist yet, so without an id."""
    # Source: https://docs.stripe.com/billing/subscriptions/webhooks#renewals
    subscription = world.get("subscription", ident)
    paused = (subscription["pause_collection"] or {}).get("behavior")
    if subscription["status"] in {"active", "trialing", "past_due"} and paused is None:
        try:
            doc = preview(world, lambda: subscription)
        except StripeError:
            return
        world.emit("invoice.upcoming", {name: doc[name] for name in doc if name != "id"})


def _renewed(world: World, subscription: Doc) -> Doc:
    """Renew a subscription at the end of its period."""
    moment, ends = min(period_ends(subscription)), subscription["cancel_at"]
    idle = subscription["status"] in ENDED | {"paused", "incomplete"}
    if idle or (ends and ends <= moment):
        message = f"No upcoming invoices for customer: {subscription['customer']}"
        raise StripeError(404, "invalid_request_error", message, code="invoice_upcoming_none")
    with world.clock.standing_at(moment):
        return renew(world, subscription)
