"""Events about payment intents and the charges behind them."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import named, own


def intent_changed(event: Event) -> Subject:
    """Look at the payment again."""
    return Subject(SubjectKind.PAYMENT, own(event))


def charge_changed(event: Event) -> Subject:
    """Look at the payment again; a charge made without a payment intent stands for itself."""
    payment = named(event, "payment_intent")
    if payment:
        return Subject(SubjectKind.PAYMENT, payment)
    return Subject(SubjectKind.CHARGE, own(event))
