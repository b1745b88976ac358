"""JSON Schemas made from the SDK's annotations: resource classes and params TypedDicts.

Always true: enums are closed, unknown properties are refused, and a resource inside another is
recognised by name only (each is checked by its own schema, so schemas stay small and quick).
"""

import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, ForwardRef, Union, get_args, get_origin

import typing_extensions as te
from stripe import StripeObject
from stripe._list_object import ListObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe._search_result_object import SearchResultObject
from stripe._stripe_object import UntypedStripeObject

from sandbox.contract.absent import may_be_absent

Schema = dict[str, Any]

_SCALARS: Mapping[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {"type": "string", "format": "decimal"},
    type(None): {"type": "null"},
    object: {},
    Any: {},
    StripeObject: {"type": "object"},
    UntypedStripeObject: {"type": "object"},
    dict: {"type": "object"},
}
_IMPORTS = re.compile(r"^ *from (\S+) import (?:\(([^)]*)\)|(.+)$)", re.MULTILINE)
_UNIONS = (Union, types.UnionType)
_LITERALS = (typing.Literal, te.Literal)
_MARKERS = (te.NotRequired, typing.NotRequired, te.Required, typing.Required)


def resource_schema(name: str) -> Schema:
    """Return the schema of a resource by its `object` name, such as `checkout.session`."""
    return schema_of(*OBJECT_CLASSES[name])


@cache
def schema_of(module: str, class_name: str) -> Schema:
    """Return the schema of a resource class, or of one operation's params."""
    return _class(getattr(importlib.import_module(module), class_name))


def is_resource(name: object) -> bool:
    """Say whether `name` is a resource of its own, not a list or a plain hash."""
    return isinstance(name, str) and name in OBJECT_CLASSES and name not in {"list", "event"}


def alternatives(schema: Schema) -> list[Schema]:
    """Return what a value may be: the members of a union, or the schema itself."""
    options: list[Schema] = schema.get("anyOf", [schema])
    return options


@cache
def _class(cls: type) -> Schema:
    return _params(cls) if te.is_typeddict(cls) else _resource(cls)


def _params(cls: Any) -> Schema:
    properties = {
        name: _schema(annotation, cls)
        for name, annotation in cls.__annotations__.items()
        if name not in RequestOptions.__annotations__
    }
    return _hash(properties, sorted(cls.__required_keys__ & properties.keys()))


def _resource(cls: Any) -> Schema:
    renamed = getattr(cls, "_field_remappings", None) or {}
    properties, required = {}, []
    absent = may_be_absent(getattr(cls, "OBJECT_NAME", None))
    for name, (annotation, owner) in _annotations(cls).items():
        key = renamed.get(name, name)
        schema = properties[key] = _schema(annotation, owner)
        nullable = {"type": "null"} in schema.get("anyOf", ())
        if (absent is not None and key not in absent) or not nullable:
            required.append(key)
    return _hash(properties, sorted(required)) if properties else {"type": "object"}


def _schema(annotation: Any, owner: type) -> Schema:
    annotation = _resolved(annotation, owner)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _plain(annotation)
    if origin in _UNIONS:
        return _union(annotation, owner)
    if origin in _LITERALS:
        return {"enum": list(args)}
    inner = _schema(args[-1], owner)
    return inner if origin in _MARKERS else _around(inner, origin)


def _union(annotation: Any, owner: type) -> Schema:
    members = list(_members(annotation, owner))
    if any(get_origin(member) in _LITERALS and member != te.Literal[""] for member in members):
        # `Literal[...] | str` is how the SDK stays open to the future; today the set is closed.
        members = [member for member in members if member is not str]
    options: list[Schema] = []
    for member in members:
        schema = _schema(member, owner)
        if schema not in options:
            options.append(schema)
    return options[0] if len(options) == 1 else {"anyOf": options}


def _plain(annotation: Any) -> Schema:
    """Describe one class; another resource only by name, which `resource` says to `expand`."""
    if isinstance(annotation, typing.TypeVar):
        return {}
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    name = getattr(annotation, "OBJECT_NAME", None)
    if not isinstance(name, str):
        return _class(annotation)
    named = {"type": "object", "properties": {"object": {"const": name}}, "resource": name}
    return {**named, "required": ["id", "object"]}


def _hash(properties: Mapping[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _around(inner: Schema, origin: Any) -> Schema:
    if origin is list:
        return {"type": "array", "items": inner}
    if origin in (ListObject, SearchResultObject):
        return _page(inner)
    return {"type": "object", "additionalProperties": inner}  # a dict of whatever keys


def _page(item: Schema) -> Schema:
    properties: dict[str, Schema] = {
        "object": {"enum": ["list", "search_result"]},
        "data": {"type": "array", "items": item},
        "has_more": {"type": "boolean"},
        "url": {"type": "string"},
    }
    return _hash(properties, ["data", "has_more", "object", "url"]) | {"page": True}


def _annotations(cls: type) -> dict[str, tuple[Any, type]]:
    """Return a resource's own fields, each with the class whose module explains its names."""
    return {
        name: (annotation, base)
        for base in reversed(cls.__mro__)
        if base is not StripeObject and issubclass(base, StripeObject)
        for name, annotation in inspect.get_annotations(base).items()
        if not name.startswith("_") and name != "OBJECT_NAME"
    }


def _members(annotation: Any, owner: type) -> Iterator[Any]:
    for member in get_args(annotation):
        resolved = _resolved(member, owner)
        if get_origin(resolved) in _UNIONS:
            yield from _members(resolved, owner)
        else:
            yield resolved


def _resolved(annotation: Any, owner: type) -> Any:
    while isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        # The text is the installed SDK's own source, and this is how Python resolves it too.
        annotation = eval(text, {}, _Names(owner.__module__))  # noqa: S307
    return annotation


class _Names(dict[str, Any]):
    """Names as an SDK module means them, those it imports for type checkers only included."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = module

    def __missing__(self, name: str) -> Any:
        module = importlib.import_module(self._module)
        if hasattr(module, name):
            return getattr(module, name)
        if name in _checked_imports(self._module):
            origin, original = _checked_imports(self._module)[name]
            return getattr(importlib.import_module(origin), original)
        return getattr(typing, name) if hasattr(typing, name) else __builtins__[name]  # type: ignore[index]


@cache
def _checked_imports(module: str) -> dict[str, tuple[str, str]]:
    found = {}
    for origin, several, single in _IMPORTS.findall(inspect.getsource(sys.modules[module])):
        for name in filter(None, map(str.strip, (several or single).split(","))):
            original, _, alias = name.partition(" as ")
            found[alias or original] = (origin, original)
    return found
