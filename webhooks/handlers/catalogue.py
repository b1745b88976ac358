"""Events about prices and products."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import own


def changed(event: Event) -> Subject:
    """Compare all that Stripe sells for us with the catalogue, whichever of it has changed.

    Raises:
        IgnoredError: it names nothing.
    """
    own(event)
    return Subject(SubjectKind.PRICE, "catalogue")
