"""Events about invoices."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named, own


def changed(event: Event) -> Subject:
    """Paid, failed or given up: look at the invoice again, and through it at the subscription."""
    return Subject(SubjectKind.INVOICE, own(event))


def paid_by(event: Event) -> Subject:
    """Look at the invoice a payment was for, or for a part of.

    Raises:
        IgnoredError: it names none.
    """
    invoice = named(event, "invoice")
    if not invoice:
        raise IgnoredError("it names no invoice")
    return Subject(SubjectKind.INVOICE, invoice)
