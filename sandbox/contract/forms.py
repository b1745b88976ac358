"""Stripe's form encoding: `items[0][price]=…`, `metadata[k]=v`, `expand[]=…`, read by contract.

A form knows only strings; the params schema says what each should have been. What does not fit
is refused with the error Stripe gives, naming the parameter in bracket form.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.contract.schemas import Schema, alternatives
from sandbox.errors import StripeError, invalid

_KEY_PARTS = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")


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


def read(params: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Check params against their schema and give each value its type.

    Raises:
        StripeError: 400 with `param`, as Stripe words it.

    Source: https://docs.stripe.com/error-codes
    """
    result: dict[str, Any] = _Reader(schema).value(dict(params), schema, "")
    return result


class _Reader:
    def __init__(self, root: Schema) -> None:
        self.root = root

    def value(self, value: Any, schema: Schema, name: str) -> Any:
        """Read one value as the alternative that fits; else refuse as the likeliest one would."""
        refusals: list[StripeError] = []
        for option in alternatives(schema, self.root):
            try:
                return self._as(value, option, name)
            except StripeError as refusal:
                refusals.append(refusal)
        raise max(refusals, key=lambda refusal: len(refusal.body.get("param", "")))

    def _as(self, value: Any, schema: Schema, name: str) -> Any:
        if "enum" in schema:
            return _choice(value, schema["enum"], name)
        match schema.get("type"), value:
            case "object", dict():
                return self._hash(value, schema, name)
            case "object", _:
                raise invalid("Invalid object", param=name)
            case "array", dict() if all(key.isdigit() for key in value):
                items = [value[key] for key in sorted(value, key=int)]
                return [
                    self.value(item, schema["items"], f"{name}[{i}]")
                    for i, item in enumerate(items)
                ]
            case "array", _:
                raise invalid("Invalid array", param=name)
            case None, _:
                return value
            case str(kind), str():
                return _scalar(value, kind, schema.get("format"), name)
            case _:
                raise invalid(f"Invalid {schema['type']}: {value}", param=name)

    def _hash(self, value: dict[str, Any], schema: Schema, name: str) -> dict[str, Any]:
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for required in schema.get("required", ()):
            if required not in value:
                param = _inside(name, required)
                raise invalid(
                    f"Missing required param: {param}.", param=param, code="parameter_missing"
                )
        read = {}
        for key, item in value.items():
            param = _inside(name, key)
            if key in known:
                read[key] = self.value(item, known[key], param)
            elif isinstance(others, dict):
                # A free-form hash such as metadata: an empty value means "unset this key".
                read[key] = item if item == "" else self.value(item, others, param)
            else:
                raise invalid(
                    f"Received unknown parameter: {param}", param=param, code="parameter_unknown"
                )
        return read


def _inside(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def _choice(value: Any, choices: list[Any], name: str) -> Any:
    for choice in choices:
        if value == (str(choice).lower() if isinstance(choice, bool) else str(choice)):
            return choice
    options = ", ".join(str(choice) for choice in choices[:-1]) + f", or {choices[-1]}"
    listed = options if len(choices) > 1 else str(choices[0])
    raise invalid(f"Invalid {name}: must be one of {listed}", param=name)


def _scalar(value: str, kind: str, form: str | None, name: str) -> str | int | float | bool:
    if value == "":
        message = (
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to "
            f"unset a parameter; however '{name}' cannot be unset."
        )
        raise invalid(message, param=name, code="parameter_invalid_empty")
    if kind == "integer":
        if not re.fullmatch(r"-?\d+", value):
            message = f"Invalid integer: {value}"
            raise invalid(message, param=name, code="parameter_invalid_integer")
        return int(value)
    if kind == "boolean":
        if value not in {"true", "false"}:
            raise invalid(f"Invalid boolean: {value}", param=name)
        return value == "true"
    if kind == "number" or form == "decimal":
        try:
            return value if form == "decimal" and Decimal(value).is_finite() else float(value)
        except (InvalidOperation, ValueError):
            raise invalid(f"Invalid decimal: {value}", param=name) from None
    return value
