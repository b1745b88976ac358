"""Numbers as a person says them."""


def counted(number: int, thing: str) -> str:
    """Say how many there are of something whose plural takes an s: `1 event`, `2 events`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
