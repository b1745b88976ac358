"""Metadata: merged key by key; an empty value unsets a key, an empty string unsets all.

Source: https://docs.stripe.com/api/metadata
"""

from collections.abc import Mapping
from typing import Any

from sandbox.errors import invalid

_KEYS, _KEY_LENGTH, _VALUE_LENGTH = 50, 40, 500


def merged(current: Mapping[str, str] | None, given: Any) -> dict[str, str]:
    """Return the metadata after an update.

    Raises:
        StripeError: more or longer keys and values than Stripe keeps.
    """
    if given == "":
        return {}
    result = {**(current or {}), **(given or {})}
    result = {key: value for key, value in result.items() if value != ""}
    if len(result) > _KEYS:
        raise invalid(f"Metadata may have at most {_KEYS} keys.", param="metadata")
    for key, value in result.items():
        if len(key) > _KEY_LENGTH or len(value) > _VALUE_LENGTH:
            raise invalid(
                f"Metadata keys may have {_KEY_LENGTH} characters, values {_VALUE_LENGTH}.",
                param=f"metadata[{key}]",
            )
    return result
