"""Stripe's form encoding: `items[0][price]=…`, `metadata[k]=v`, `expand[]=…`, read by contract.

A form knows only strings; the params schema says what each should have been. What does not fit
is refused with the error Stripe gives, naming the parameter in bracket form.
"""

import re
from collections.abc import Iterable
from typing import Any

from sandbox.contract.schemas import Schema, alternatives
from sandbox.errors import StripeError, invalid, lacking

_KEY_PARTS = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")
# What a scalar looks like, and the error code of one that does not.
_SCALARS = {
    "integer": (r"-?\d+", "parameter_invalid_integer"),
    "boolean": (r"true|false", None),
    "number": (r"-?\d+(\.\d+)?", None),
    "decimal": (r"-?\d+(\.\d+)?", None),
}


def unflatten(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Turn bracketed pairs into nested dicts; a list is a dict with numbers for keys."""
    root: dict[str, Any] = {}
    for key, value in pairs:
        parts = _KEY_PARTS.findall(key)
        node = root
        for part in parts[:-1]:
            child = node.setdefault(part or str(len(node)), {})
            if not isinstance(child, dict):
                raise invalid(f"Invalid request: {parts[0]} is given twice.", param=parts[0])
            node = child
        if parts:
            node[parts[-1] or str(len(node))] = value
    return root


def read(value: Any, schema: Schema, name: str = "") -> Any:
    """Check params against their schema and give each value its type.

    A value may be one of several things: it is read as the first that fits, and refused as the
    likeliest one would.

    Raises:
        StripeError: 400 with `param`, as Stripe words it.

    Source: https://docs.stripe.com/error-codes
    """
    refusals: list[StripeError] = []
    for option in alternatives(schema):
        try:
            return _read_as(value, option, name)
        except StripeError as refusal:
            refusals.append(refusal)
    raise max(refusals, key=lambda refusal: len(refusal.body.get("param", "")))


def _read_as(value: Any, schema: Schema, name: str) -> Any:
    if "enum" in schema:
        return _choice(value, schema["enum"], name)
    match schema.get("type"), value:
        case None, _:
            return value
        case "object", dict():
            return _hash(value, schema, name)
        case "array", dict() if all(key.isdigit() for key in value):
            items = [value[key] for key in sorted(value, key=int)]
            return [read(item, schema["items"], f"{name}[{i}]") for i, item in enumerate(items)]
        case str(kind), str() if kind not in {"object", "array"}:
            return _scalar(value, schema.get("format", kind), name)
        case kind, _:
            raise invalid(f"Invalid {kind}", param=name)


def _hash(value: dict[str, Any], schema: Schema, name: str) -> dict[str, Any]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for required in schema.get("required", ()):
        if required not in value:
            raise lacking(_inside(name, required))
    found = {}
    for key, item in value.items():
        param = _inside(name, key)
        if key in known:
            found[key] = read(item, known[key], param)
        elif isinstance(others, dict):
            # A free-form hash such as metadata: an empty value means "unset this key".
            found[key] = item if item == "" else read(item, others, param)
        else:
            message = f"Received unknown parameter: {param}"
            raise invalid(message, param=param, code="parameter_unknown")
    return found


def _inside(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def _choice(value: Any, choices: list[Any], name: str) -> Any:
    for choice in choices:
        if value == (str(choice).lower() if isinstance(choice, bool) else str(choice)):
            return choice
    raise invalid(f"Invalid {name}: must be one of {', '.join(map(str, choices))}", param=name)


def _scalar(value: str, kind: str, name: str) -> str | int | float | bool:
    if value == "":
        message = (
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to "
            f"unset a parameter; however '{name}' cannot be unset."
        )
        raise invalid(message, param=name, code="parameter_invalid_empty")
    pattern, code = _SCALARS.get(kind, (".*", None))
    if not re.fullmatch(pattern, value, re.DOTALL | re.ASCII):
        raise invalid(f"Invalid {kind}: {value}", param=name, code=code)
    match kind:
        case "integer":
            return int(value)
        case "boolean":
            return value == "true"
        case "number":
            return float(value)
        case _:
            return value
