"""Where two answers differ in shape: keys, kinds of value, and words from a closed set.

Values are never compared, but for those words: a status is part of a shape, an amount is not.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.contract.schemas import Schema, alternatives, is_resource, resource_schema

_FREE = {"metadata"}  # its keys are whoever wrote them's


def differences(ours: Any, theirs: Any, *, at: str, schema: Schema | None = None) -> Iterator[str]:
    """Yield one line for each place where our answer could not be told from theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from _in_hashes(ours, theirs, at, schema or {})
    elif isinstance(ours, list) and isinstance(theirs, list):
        if ours and theirs:
            inside = next((s["items"] for s in alternatives(schema or {}) if "items" in s), None)
            yield from differences(ours[0], theirs[0], at=f"{at}[0]", schema=inside)
        elif ours or theirs:
            yield f"{at}: {_sides(_fill(ours), _fill(theirs))}"
    elif _kind(ours) != _kind(theirs):
        yield f"{at}: {_sides(_kind(ours), _kind(theirs))}"
    elif ours != theirs and _is_word(schema):
        yield f"{at}: {_sides(repr(ours), repr(theirs))}"


def _in_hashes(ours: Any, theirs: Any, at: str, schema: Schema) -> Iterator[str]:
    name = theirs.get("object")
    if is_resource(name) and not theirs.get("deleted"):
        schema = resource_schema(name)
    fields: Schema = {}
    for option in alternatives(schema):
        fields |= option.get("properties", {})
    for key in sorted(ours.keys() | theirs.keys()):
        place = f"{at}.{key}"
        if key not in ours:
            yield f"{place}: {_sides('absent', _kind(theirs[key]))}"
        elif key not in theirs:
            yield f"{place}: {_sides(_kind(ours[key]), 'absent')}"
        elif key not in _FREE:
            yield from differences(ours[key], theirs[key], at=place, schema=fields.get(key))


def _sides(ours: str, theirs: str) -> str:
    return f"{theirs} at Stripe, {ours} here"


def _fill(values: list[Any]) -> str:
    return "filled" if values else "empty"


def _is_word(schema: Schema | None) -> bool:
    return any("enum" in option for option in alternatives(schema or {}))


def _kind(value: Any) -> str:
    names = {dict: "hash", list: "list", str: "string", bool: "boolean", int: "integer"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
