"""Finding the name of an object in a payload of any API version."""

from billing.errors import BillingError
from webhooks.event import Event, id_in


class IgnoredError(BillingError):
    """An event there is nothing to do about; the message is the reason."""


def own(event: Event) -> str:
    """Return the id of the object an event is about.

    Raises:
        IgnoredError: it has none.
    """
    if not event.object_id:
        raise IgnoredError("it names no object")
    return event.object_id


def named(event: Event, field: str) -> str:
    """Return the id of another object the event's object names; '' where it names none."""
    return id_in(event.data.get(field))
