"""Events about payment intents, their charges and refunds, and what the payer's bank says."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named, own


def intent_changed(event: Event) -> Subject:
    """Look at the payment again."""
    return Subject(SubjectKind.PAYMENT, own(event))


def charge_changed(event: Event) -> Subject:
    """Look at the payment the charge, or the refund of one, belongs to.

    Somebody else on our account may take money without an intent; then the charge is all there is.

    Raises:
        IgnoredError: it names neither; the walk along Stripe's balance posts its money.
    """
    payment = named(event, "payment_intent")
    # Only a payload that knows of payment intents can say that there is none.
    if not payment and event.data.get("payment_intent", "unsaid") is None:
        payment = event.object_id if event.object_kind == "charge" else named(event, "charge")
    if not payment:
        raise IgnoredError("it belongs to no payment intent")
    return Subject(SubjectKind.PAYMENT, payment)


def disputed(event: Event) -> Subject:
    """Look at the dispute again: opened, answered, won or lost, its own state says which."""
    return Subject(SubjectKind.DISPUTE, own(event))


def asked(event: Event) -> Subject:
    """Look at what only a person can answer."""
    return Subject(SubjectKind.QUESTION, own(event))
