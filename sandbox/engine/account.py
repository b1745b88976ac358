"""The one account there is."""

from typing import Final

from sandbox.contract.resources import check, skeleton
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_ID: Final = "acct_1LocalStripe0000000"


def account(world: World) -> Doc:
    """Return the account; what it lacks is left out, as Stripe leaves out what a key may not see.

    Source: https://docs.stripe.com/api/accounts/object
    """
    paying = world.store.setting("payouts_enabled", 1)
    fields = {
        "id": _ID,
        "business_type": "company",
        "capabilities": {"bacs_debit_payments": "active", "card_payments": "active"},
        "charges_enabled": True,
        "country": "GB",
        "default_currency": "gbp",
        "details_submitted": True,
        "email": "accounts@example.org",
        "payouts_enabled": bool(paying),
        "type": "standard",
    }
    empty = {name: value for name, value in skeleton("account").items() if value is not None}
    doc = empty | fields
    check(doc)
    return doc


def set_payouts_enabled(world: World, enabled: int) -> None:
    """Let Stripe stop paying out, or begin again.

    Source: https://docs.stripe.com/api/events/types#event_types-account.updated
    """
    was = world.store.setting("payouts_enabled", 1)
    world.store.set_setting("payouts_enabled", enabled)
    if was != enabled:
        world.emit("account.updated", account(world), {"payouts_enabled": bool(was)})
