"""Events about subscriptions, and about what only speaks of one."""

from billing.reconciliation import Subject, SubjectKind
from webhooks.event import Event
from webhooks.handlers.naming import IgnoredError, named, own


def changed(event: Event) -> Subject:
    """Created, updated or deleted: whatever it says, look at the subscription again."""
    return Subject(SubjectKind.SUBSCRIPTION, own(event))


def schedule_changed(event: Event) -> Subject:
    """Look at the subscription a schedule steers, or has let go of.

    Raises:
        IgnoredError: it steers none yet.
    """
    steered = named(event, "subscription") or named(event, "released_subscription")
    if not steered:
        raise IgnoredError("it steers no subscription")
    return Subject(SubjectKind.SUBSCRIPTION, steered)


def renews_soon(event: Event) -> Subject:
    """Look at the subscription an invoice will be for: the invoice itself has no id yet.

    Raises:
        IgnoredError: it will be for none.

    Source: https://docs.stripe.com/api/events/types#event_types-invoice.upcoming
    """
    renewed = named(event, "parent", "subscription_details", "subscription")
    renewed = renewed or named(event, "subscription")  # before 2025-03-31
    if not renewed:
        raise IgnoredError("it belongs to no subscription")
    return Subject(SubjectKind.SUBSCRIPTION, renewed)
