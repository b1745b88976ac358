"""Collecting an invoice: charged, left to the bank, tried again, or paid with nothing."""

from typing import Final

from sandbox.engine import invoice, payment
from sandbox.engine.subscription import follow, method_of, retries_are_over
from sandbox.kernel.world import Doc, World, job

# Refusals after which only another means of payment is tried.
# Source: https://docs.stripe.com/billing/revenue-recovery/smart-retries#hard-declines
_HARD: Final = frozenset(
    "authentication_required debit_not_authorized highest_risk_level incorrect_number lost_card "
    "payment_intent_mandate_invalid pickup_card "
    "revocation_of_all_authorizations revocation_of_authorization stolen_card "
    "transaction_not_allowed".split()
)


def bill_now(world: World, bill: Doc) -> Doc:
    """Finalize a draft and collect it at once.

    Source: https://docs.stripe.com/billing/subscriptions/upgrade-downgrade#immediate-payment
    """
    return collect(world, invoice.finalize(world, bill))


def collect(world: World, bill: Doc, *, method: str | None = None, present: bool = False) -> Doc:
    """Try to charge an open invoice; `present` says whether the cardholder is there.

    Source: https://docs.stripe.com/invoicing/integration/automatic-advancement-collection
    """
    if bill["amount_due"] == 0:
        bill = invoice.mark_paid(world, bill, attempts=0)
        follow(world, bill)
        return bill
    intent = invoice.intent_of(world, bill)
    method = method or bill["default_payment_method"] or _usual_method(world, bill)
    if method is None or (not present and _is_hopeless(intent, method)):
        return _failed(world, bill, event="invoice.updated")
    stored = world.get("payment_method", method, param="payment_method", status=400)
    intent, _ = payment.attempt(world, intent, stored, present=present)
    if present and intent["status"] == "requires_action":
        return bill
    return settled(world, bill, intent)


def settled(world: World, bill: Doc, intent: Doc, *, attempts: int = 1) -> Doc:
    """Let an open invoice, and its subscription, follow the payment that is to pay it.

    `attempts` is 0 where the attempt has been counted already.

    Source: https://docs.stripe.com/billing/subscriptions/webhooks#payment-failures
    """
    if intent["status"] == "processing":
        return invoice.mark_processing(world, bill)
    if intent["status"] == "succeeded":
        bill = invoice.mark_paid(world, bill, attempts=attempts)
        follow(world, bill)
        return bill
    bill = _failed(world, bill, attempts=attempts, event="invoice.payment_failed")
    if intent["status"] == "requires_action":
        world.emit("invoice.payment_action_required", bill)
    return bill


@payment.on_settled
def _follow(world: World, intent: Doc) -> None:
    """Go on with the invoice whose payment a bank, or the cardholder, has decided."""
    # Source: https://docs.stripe.com/payments/payment-methods/bacs-debit
    link = {"payment.payment_intent": intent["id"], "status": "open"}
    for asked in world.store.find("invoice_payment", link):
        bill = world.get("invoice", asked["invoice"])
        if bill["status"] in {"open", "uncollectible"}:
            settled(world, bill, intent, attempts=0 if bill["attempted"] else 1)


@job("invoice.due")
def look(world: World, ident: str) -> None:
    """Finalize a draft whose hour is over, or try a failed payment again.

    Source: https://docs.stripe.com/invoicing/integration/automatic-advancement-collection
    """
    bill = world.get("invoice", ident)
    if bill["status"] == "draft" and (bill["automatically_finalizes_at"] or world.now + 1) <= (
        world.now
    ):
        bill_now(world, bill)
    elif bill["status"] == "open" and (bill["next_payment_attempt"] or world.now + 1) <= world.now:
        collect(world, bill)


def _failed(world: World, bill: Doc, *, attempts: int = 1, event: str) -> Doc:
    bill = invoice.mark_failed(world, bill, attempts=attempts, event=event)
    follow(world, bill, failed=True)
    if bill["parent"] and bill["next_payment_attempt"] is None and bill["auto_advance"]:
        retries_are_over(world, bill)
    return bill


def _usual_method(world: World, bill: Doc) -> str | None:
    link = (bill["parent"] or {}).get("subscription_details")
    subscription = world.get("subscription", link["subscription"]) if link else None
    return method_of(subscription, world.get("customer", bill["customer"]))


def _is_hopeless(intent: Doc, method: str) -> bool:
    """Say whether this means of payment was refused for good, or waits for the cardholder."""
    if intent["status"] == "requires_action":
        return bool(intent["payment_method"] == method)
    error = intent["last_payment_error"] or {}
    same = (error.get("payment_method") or {}).get("id") == method
    return same and bool({error.get("code"), error.get("decline_code")} & _HARD)
