"""Events about refunds."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named


def changed(event: Event) -> Subject:
    """Look at the payment the money goes back from; all of its refunds are read with it."""
    payment = named(event, "payment_intent")
    if payment:
        return Subject(SubjectKind.PAYMENT, payment)
    charge = named(event, "charge")
    if charge:
        return Subject(SubjectKind.CHARGE, charge)
    raise IgnoredError("it names neither payment nor charge")
