"""Metadata: merged key by key; an empty value unsets a key, an empty string unsets all.

Source: https://docs.stripe.com/api/metadata
"""

from collections.abc import Mapping
from typing import Any

from sandbox.errors import invalid

_KEYS, _KEY_LENGTH, _VALUE_LENGTH = 50, 40, 500


def merged(current: Mapping[str, str], given: Any) -> dict[str, str]:
    """Return the metadata after an update.

    Raises:
        StripeError: more or longer keys and values than Stripe keeps.
    """
    both = {} if given == "" else {**current, **given}
    result = {key: value for key, value in both.items() if value != ""}
    if len(result) > _KEYS:
        raise invalid(f"Metadata may have at most {_KEYS} keys.", param="metadata")
    for key, value in result.items():
        if len(key) > _KEY_LENGTH or len(value) > _VALUE_LENGTH:
            message = f"Metadata keys may have {_KEY_LENGTH} characters, values {_VALUE_LENGTH}."
            raise invalid(message, param=f"metadata[{key}]")
    return result
