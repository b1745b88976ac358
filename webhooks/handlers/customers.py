"""Events about who pays, what from, and by whose leave."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named, own


def changed(event: Event) -> Subject:
    """Look at the customer again; what they are called there says nothing about who they are."""
    return Subject(SubjectKind.CUSTOMER, own(event))


def method_changed(event: Event) -> Subject:
    """Look at the card or the bank account again."""
    return Subject(SubjectKind.PAYMENT_METHOD, own(event))


def method_set_up(event: Event) -> Subject:
    """Look at the card or the bank account that somebody has just given.

    Raises:
        IgnoredError: none was.
    """
    method = named(event, "payment_method")
    if not method:
        raise IgnoredError("nothing was set up")
    return Subject(SubjectKind.PAYMENT_METHOD, method)


def mandate_changed(event: Event) -> Subject:
    """Look at the mandate again: a bank accepts one, refuses it, or ends it years later."""
    return Subject(SubjectKind.MANDATE, own(event))
