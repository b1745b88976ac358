"""Events about payment intents, their charges and refunds, and what the payer's bank says."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named, own


def intent_changed(event: Event) -> Subject:
    """Look at the payment again."""
    return Subject(SubjectKind.PAYMENT, own(event))


def charge_changed(event: Event) -> Subject:
    """Look at the payment the charge, or the refund of one, belongs to.

    Raises:
        IgnoredError: to none. We make no such charges; the walk along Stripe's balance posts them.
    """
    payment = named(event, "payment_intent")
    if not payment:
        raise IgnoredError("it belongs to no payment intent")
    return Subject(SubjectKind.PAYMENT, payment)


def disputed(event: Event) -> Subject:
    """Look at the dispute again: opened, answered, won or lost, its own state says which."""
    return Subject(SubjectKind.DISPUTE, own(event))


def asked(event: Event) -> Subject:
    """Look at what only a person can answer."""
    return Subject(SubjectKind.QUESTION, own(event))
