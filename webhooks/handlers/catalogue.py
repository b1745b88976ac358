"""Events about prices and products."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event


def changed(event: Event) -> Subject:
    """Compare all that Stripe sells for us with the catalogue, whichever of it has changed."""
    del event
    return Subject(SubjectKind.PRICE, "catalogue")
