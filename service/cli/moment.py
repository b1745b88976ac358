"""Reading a moment somebody typed."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

_YEARS: Final = range(2000, 3000)  # nothing of ours is older, and a calendar has an end


def moment(written: str) -> datetime:
    """Read a moment; one that names no zone is London's.

    Raises:
        RefusedError: it is none.
    """
    from billing.clock import LONDON  # noqa: PLC0415
    from billing.errors import RefusedError  # noqa: PLC0415

    with suppress(ValueError):
        read = datetime.fromisoformat(written)
        if read.year in _YEARS:
            return (read if read.tzinfo else read.replace(tzinfo=LONDON)).astimezone(UTC)
    raise RefusedError(f"{written} is no moment; write it like 2026-11-20T00:00")
