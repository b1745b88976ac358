"""What a resource must look like: skeletons to fill in, and the check before anything is kept."""

from functools import cache
from typing import Any, Literal

import jsonschema_rs

from sandbox.contract.absent import may_be_absent
from sandbox.contract.schemas import Schema, alternatives, is_resource, resource_schema


class ContractBrokenError(AssertionError):
    """The sandbox was about to say something Stripe could not have said: a bug in the sandbox."""


def skeleton(name: str) -> dict[str, Any]:
    """Return a resource with its empty fields: null, [], {} and false, and nothing invented.

    What Stripe always fills in (amounts, dates, states) is left out, so that forgetting it fails
    the check instead of passing with a made-up value.
    """
    return _empty(resource_schema(name), may_be_absent(name) or frozenset()) | {"object": name}


def check(doc: dict[str, Any]) -> None:
    """Check a resource, and every resource inside it, against the SDK's types.

    Raises:
        ContractBrokenError: naming each place that does not fit.
    """
    if not doc.get("deleted"):
        problems = [
            f"{'.'.join(map(str, error.instance_path)) or 'top'}: {error.message[:300]}"
            for error in _validator(doc["object"]).iter_errors(doc)
        ]
        if problems:
            raise ContractBrokenError(f"{doc['object']} {doc.get('id')}: " + "; ".join(problems))
    for value in doc.values():
        _check_inside(value)


def fields(name: str) -> frozenset[str]:
    """Return the names of a resource's own fields."""
    return frozenset(resource_schema(name)["properties"])


def held(name: str, path: list[str]) -> Literal["", "one", "page"]:
    """Say what the field at `path` holds: nothing of the kind, another resource, a page of them."""
    nodes: list[Schema] = [resource_schema(name)]
    for part in path:
        nodes = [
            option
            for node in nodes
            if part in node.get("properties", {})
            for option in alternatives(node["properties"][part])
        ]
    if any("page" in node for node in nodes):
        return "page"
    items = [option for node in nodes if "items" in node for option in alternatives(node["items"])]
    return "one" if any("resource" in node for node in nodes + items) else ""


@cache
def _validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(resource_schema(name))


def _check_inside(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _check_inside(item)
    elif isinstance(value, dict):
        if is_resource(value.get("object")) and "id" in value:
            check(value)
        else:
            for item in value.values():
                _check_inside(item)


def _empty(schema: Schema, absent: frozenset[str] = frozenset()) -> dict[str, Any]:
    empty: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        options = alternatives(field)
        if name in absent:
            continue
        if name == "metadata":
            empty[name] = {}
        elif {"type": "null"} in options:
            empty[name] = None
        elif options[0].get("type") == "array":
            empty[name] = []
        elif options[0].get("type") == "boolean":
            empty[name] = False
        elif "properties" in options[0] and not {"resource", "page"} & options[0].keys():
            empty[name] = _empty(options[0])
    return empty
