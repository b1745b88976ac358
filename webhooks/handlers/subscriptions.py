"""Events about subscriptions."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import own


def changed(event: Event) -> Subject:
    """Created, updated or deleted: whatever it says, look at the subscription again."""
    return Subject(SubjectKind.SUBSCRIPTION, own(event))
