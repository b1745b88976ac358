"""Finding the name of an object in a payload of any API version."""

from collections.abc import Callable
from typing import NoReturn

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


def named(event: Event, *path: str) -> str:
    """Return the id of another object the event's object names; '' where it names none.

    The fields lead to it one within the other; the last may hold the id or the whole object.
    """
    *within, field = path
    data = event.data
    for each in within:
        inner = data.get(each)
        if not isinstance(inner, dict):
            return ""
        data = inner
    return id_in(data.get(field))


def ignored(reason: str) -> Callable[[Event], NoReturn]:
    """Return a handler for what we hear, and know why we need do nothing about."""

    def ignore(event: Event) -> NoReturn:
        del event
        raise IgnoredError(reason)

    return ignore
