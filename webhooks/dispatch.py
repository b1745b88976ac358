"""The table: which events we act on, and which object each tells us to look at again.

What an event is called never decides what happens; what its object is, when read again, does. So
it does no harm to be told twice, late, or by two events of one fact.
"""

from collections.abc import Callable, Mapping
from typing import Final

from billing.reconciliation import Subject
from webhooks.event import Event
from webhooks.handlers import checkout, invoices, payments, subscriptions
from webhooks.handlers.naming import IgnoredError

__all__ = ["HANDLERS", "TYPES", "IgnoredError", "subject_of"]

Handler = Callable[[Event], Subject]

HANDLERS: Final[Mapping[str, Handler]] = {
    # A checkout reached its end. The reader who comes back may be first; both end in `settle`.
    "checkout.session.completed": checkout.ended,
    # Bank debits: agreed at `completed`, certain or refused only days later.
    "checkout.session.async_payment_succeeded": checkout.ended,
    "checkout.session.async_payment_failed": checkout.ended,
    # Frees the reader to begin another.
    "checkout.session.expired": checkout.ended,
    # The subscription's life. One handler: each of these means "look again".
    "customer.subscription.created": subscriptions.changed,
    "customer.subscription.updated": subscriptions.changed,
    "customer.subscription.deleted": subscriptions.changed,
    "customer.subscription.paused": subscriptions.changed,
    "customer.subscription.resumed": subscriptions.changed,
    "customer.subscription.pending_update_applied": subscriptions.changed,
    "customer.subscription.pending_update_expired": subscriptions.changed,
    # A renewal was paid or failed. `invoice.paid` and not `payment_succeeded`: only the former
    # comes for invoices of nothing, and for those settled by credit or outside Stripe.
    "invoice.paid": invoices.changed,
    "invoice.payment_failed": invoices.changed,
    "invoice.payment_action_required": invoices.changed,
    "invoice.voided": invoices.changed,
    "invoice.marked_uncollectible": invoices.changed,
    # Gifts have no invoice: their payment intent is all there is. None of these is final but
    # `succeeded` and `canceled`; a failed one may yet be paid.
    "payment_intent.processing": payments.intent_changed,
    "payment_intent.requires_action": payments.intent_changed,
    "payment_intent.succeeded": payments.intent_changed,
    "payment_intent.payment_failed": payments.intent_changed,
    "payment_intent.canceled": payments.intent_changed,
    # The charge behind a payment. `updated` is often the first to know the fee.
    "charge.succeeded": payments.charge_changed,
    "charge.failed": payments.charge_changed,
    "charge.pending": payments.charge_changed,
    "charge.updated": payments.charge_changed,
    "charge.captured": payments.charge_changed,
    "charge.expired": payments.charge_changed,
    # Money going back, and coming back when a refund fails; all refunds are read with their
    # payment. Old endpoints know only the last two.
    "refund.created": payments.charge_changed,
    "refund.updated": payments.charge_changed,
    "refund.failed": payments.charge_changed,
    "charge.refund.updated": payments.charge_changed,
    "charge.refunded": payments.charge_changed,
}
TYPES: Final = tuple(HANDLERS)


def subject_of(event: Event) -> Subject:
    """Return what an event tells us to look at again.

    Raises:
        IgnoredError: nothing; its text is the reason.
    """
    handler = HANDLERS.get(event.type)
    if handler is None:
        raise IgnoredError("not a type we act on")
    return handler(event)
