"""Events about Checkout sessions."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import own


def ended(event: Event) -> Subject:
    """Completed, paid later, refused later or expired: whatever it says, look at the session."""
    return Subject(SubjectKind.CHECKOUT, own(event))
