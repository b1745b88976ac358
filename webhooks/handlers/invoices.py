"""Events about invoices."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import own


def changed(event: Event) -> Subject:
    """Paid, failed or given up: look at the invoice again, and through it at the subscription."""
    return Subject(SubjectKind.INVOICE, own(event))
