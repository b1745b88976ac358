"""Text as a browser sends it, before anything is done with it."""

from typing import Annotated

from pydantic import AfterValidator


def _storable(text: str) -> str:
    """Refuse what PostgreSQL cannot keep and nobody can type."""
    if "\0" in text:
        raise ValueError("a NUL is no text")
    return text


Typed = Annotated[str, AfterValidator(_storable)]
