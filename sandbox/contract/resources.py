"""What a resource must look like: skeletons to fill in, and the check before anything is kept."""

from functools import cache
from typing import Any, Literal

import jsonschema_rs

from sandbox.contract.absent import may_be_absent
from sandbox.contract.schemas import Schema, alternatives, follow, is_resource, resource_schema


class ContractBrokenError(AssertionError):
    """The sandbox was about to say something Stripe could not have said: a bug in the sandbox."""


def skeleton(name: str) -> dict[str, Any]:
    """Return a resource with its empty fields: null, [], {} and false, and nothing invented.

    What Stripe always fills in (amounts, dates, states) is left out, so that forgetting it fails
    the check instead of passing with a made-up value.
    """
    root = resource_schema(name)
    return _empty_hash(follow(root, root), root, may_be_absent(name) or frozenset()) | {
        "object": name
    }


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
    root = resource_schema(name)
    return frozenset(follow(root, root)["properties"])


def held(name: str, path: list[str]) -> Literal["", "one", "page"]:
    """Say what the field at `path` holds: nothing of the kind, another resource, a page of them."""
    root = resource_schema(name)
    nodes: list[Schema] = [follow(root, root)]
    for part in path:
        nodes = [
            option
            for node in nodes
            if part in node.get("properties", {})
            for option in alternatives(node["properties"][part], root)
        ]
    items = [o for n in nodes if "items" in n for o in alternatives(n["items"], root)]
    if any("page" in node for node in nodes):
        return "page"
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


def _empty_hash(schema: Schema, root: Schema, absent: frozenset[str]) -> dict[str, Any]:
    empty: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        options = list(alternatives(field, root))
        if name in absent:
            continue
        if {"type": "null"} in options:
            empty[name] = {} if name == "metadata" else None
        elif options[0].get("type") == "array":
            empty[name] = []
        elif options[0].get("type") == "boolean":
            empty[name] = False
        elif "properties" in options[0] and not {"resource", "page"} & options[0].keys():
            empty[name] = _empty_hash(options[0], root, frozenset())
        elif name == "metadata":
            empty[name] = {}
    return empty
