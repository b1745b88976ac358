"""The table of Stripe's operations, read from the SDK's service classes.

A service method ends in `self._request("post", "/v1/products/{id}".format(...), ...)`, and its
params are annotated with a TypedDict: that is the verb, the path and the contract of a request.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import stripe

_PARAMS = re.compile(r"\b[A-Z]\w+Params\b")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call Stripe knows.

    Attributes:
        path: the template, such as `/v1/products/{id}`.
        name: how the SDK calls it, such as `ProductService.create`.
        params: module and class of its params, or None where it takes none.
    """

    method: str
    path: str
    name: str
    params: tuple[str, str] | None


def pinned_version() -> str:
    """Return the API version the installed SDK speaks."""
    version: str = stripe.api_version
    return version


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """Return every v1 operation by method and path template."""
    root = Path(stripe.__file__).parent
    found = {}
    for file in sorted(root.rglob("_*_service.py")):
        if "v2" not in file.relative_to(root).parts:
            found.update({(op.method, op.path): op for op in _in_module(file)})
    return found


def match(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Find the operation a request means, with the ids in its path; None if Stripe has none."""
    segments = path.rstrip("/").split("/")
    for operation in _by_shape().get((method, len(segments)), ()):
        ids = {}
        for template, actual in zip(operation.path.split("/"), segments, strict=True):
            if template.startswith("{"):
                ids[template.strip("{}")] = actual
            elif template != actual:
                break
        else:
            return operation, ids
    return None


@cache
def _by_shape() -> dict[tuple[str, int], list[Operation]]:
    """Group by verb and length; literal segments first, so `/search` is never taken for an id."""
    shapes: dict[tuple[str, int], list[Operation]] = {}
    for operation in sorted(operations().values(), key=lambda op: op.path.count("{")):
        shape = (operation.method, len(operation.path.split("/")))
        shapes.setdefault(shape, []).append(operation)
    return shapes


def _in_module(file: Path) -> Iterator[Operation]:
    tree = ast.parse(file.read_text())
    imports = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for service in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for function in service.body:
            if isinstance(function, ast.FunctionDef):
                operation = _operation(service.name, function, imports)
                if operation is not None:
                    yield operation


def _operation(
    service: str, function: ast.FunctionDef, imports: dict[str, str]
) -> Operation | None:
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="_request" | "_request_stream"),
                args=[ast.Constant(value=str(verb)), path, *_],
            ):
                template = next(c.value for c in ast.walk(path) if isinstance(c, ast.Constant))
                params = _params_of(function, imports)
                name = f"{service}.{function.name}"
                return Operation(verb.upper(), str(template), name, params)
            case _:
                continue
    return None


def _params_of(function: ast.FunctionDef, imports: dict[str, str]) -> tuple[str, str] | None:
    for argument in function.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            found = _PARAMS.search(ast.unparse(argument.annotation))
            if found:
                return imports[found.group()], found.group()
    return None
