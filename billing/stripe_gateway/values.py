"""Stripe's values in ours: ids out of expanded objects, instants out of seconds."""

from datetime import UTC, datetime
from typing import Any


def id_of(value: Any) -> str:
    """Return the id of a field that holds an id, an expanded object or nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value.id)


def text(value: str | None) -> str:
    """Return a string; '' where Stripe has none."""
    return value or ""


def instant(seconds: int) -> datetime:
    """Return aware UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def instant_or_none(seconds: int | None) -> datetime | None:
    """Return aware UTC, or nothing."""
    return None if seconds is None else instant(seconds)


def words(metadata: Any) -> dict[str, str]:
    """Return metadata as a plain mapping of strings."""
    return {} if metadata is None else {str(k): str(v) for k, v in metadata.to_dict().items()}
