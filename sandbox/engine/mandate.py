"""Mandates: the permission to debit a bank account, given on a page and ended by either side."""

from typing import Any

from sandbox.engine import fees
from sandbox.engine.instruments import account_of
from sandbox.kernel.ids import new_id, token
from sandbox.kernel.world import Doc, World, job

_KIND = "bacs_debit"
_DAYS = 3  # business days until the bank has answered


def grant(world: World, method: Doc) -> Doc:
    """Write a new mandate and submit it to the bank, which answers in three business days.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#mandates
    """
    ident = new_id("mandate")
    online = {"ip_address": "127.0.0.1", "user_agent": "Local Stripe"}
    details = {
        "display_name": "Local Stripe",
        "network_status": "pending",
        "reference": token(16).upper(),
        "revocation_reason": None,
        "service_user_number": "999999",
        "url": f"{world.url}/mandate/{ident}",
    }
    fields = {
        "id": ident,
        "customer_acceptance": {"accepted_at": world.now, "online": online, "type": "online"},
        "multi_use": {},
        "payment_method": method["id"],
        "payment_method_details": {_KIND: details, "type": _KIND},
        "status": "pending",
        "type": "multi_use",
    }
    due = fees.business_days_after(world.now, _DAYS)
    world.schedule(due, "mandate.due", ident)
    return world.create("mandate", fields)


def of(world: World, method: str) -> Doc | None:
    """Return the newest mandate to debit by a payment method."""
    return next(iter(world.store.find("mandate", {"payment_method": method}, limit=1)), None)


def revoke(world: World, method: str, reason: str) -> None:
    """End the mandate to debit by a payment method, if there is one that has not ended.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#mandate-events
    """
    mandate = of(world, method)
    if mandate is not None and mandate["status"] != "inactive":
        told = {"network_status": "revoked", "revocation_reason": reason}
        _become(world, mandate, "inactive", told)


def cancel(world: World, mandate: Doc, *, reason: str = "debit_not_authorized") -> Doc:
    """Let the payer, or their bank, end a mandate: `reason` in the network's words.

    Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#mandate-cancellation
    """
    revoke(world, mandate["payment_method"], reason)
    return world.get("mandate", mandate["id"])


@job("mandate.due")
def _answer(world: World, ident: str) -> None:
    """Let the bank accept a mandate that waits for it, or refuse."""
    # Source: https://docs.stripe.com/payments/payment-methods/bacs-debit#timing
    mandate = world.get("mandate", ident)
    if mandate["status"] != "pending":
        return
    refused = account_of(world.get("payment_method", mandate["payment_method"])).refused
    told = {"network_status": "refused" if refused else "accepted"}
    _become(world, mandate, "inactive" if refused else "active", told)


def _become(world: World, mandate: Doc, status: str, told: dict[str, Any]) -> None:
    # Source: https://docs.stripe.com/api/mandates/object
    details = mandate["payment_method_details"]
    changed = {"payment_method_details": details | {_KIND: details[_KIND] | told}}
    world.change(mandate, changed | {"status": status}, event="mandate.updated")
