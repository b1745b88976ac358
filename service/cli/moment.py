"""Reading a moment somebody typed."""

from datetime import UTC, datetime


def moment(written: str) -> datetime:
    """Read a moment; one that names no zone is London's.

    Raises:
        RefusedError: it is none.
    """
    from billing.clock import LONDON  # noqa: PLC0415
    from billing.errors import RefusedError  # noqa: PLC0415

    try:
        read = datetime.fromisoformat(written)
        return (read if read.tzinfo else read.replace(tzinfo=LONDON)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RefusedError(f"{written} is no moment; write it like 2026-11-20T00:00") from None
