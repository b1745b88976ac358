"""The table of Stripe's operations, read from the SDK's service classes.

A service method ends in `self._request("post", "/v1/products/{id}".format(...), ...)`, and its
params are annotated with a TypedDict: that is the verb, the path and the contract of a request.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import stripe

# The SDK is generated and formatted by one tool, so patterns read it as surely as a parser would,
# and ten times as fast: this is most of what a start costs.
_SERVICE = re.compile(r"^class (\w+)", re.MULTILINE)
_METHODS = re.compile(r"^    (?:async )?def (\w+)", re.MULTILINE)
_REQUEST = re.compile(r'self\._request(?:_stream)?\(\s*"(\w+)",\s*"([^"]+)"')
_PARAMS = re.compile(r'^        params: [^=]*?"(\w+Params)"', re.MULTILINE)
_IMPORTS = re.compile(r"from (\S+) import \(?\s*(\w+Params)\b")


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
            found.update({(op.method, op.path): op for op in _in_source(file.read_text())})
    return found


def match(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """Find the operation a request means, with the ids in its path; None if Stripe has none."""
    segments = path.rstrip("/").split("/")
    for operation in _by_shape().get((method, len(segments)), ()):
        pairs = list(zip(operation.path.split("/"), segments, strict=True))
        if all(part == segment or part.startswith("{") for part, segment in pairs):
            ids = {part.strip("{}"): segment for part, segment in pairs if part.startswith("{")}
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


def _in_source(text: str) -> list[Operation]:
    service = _SERVICE.search(text)
    modules = {name: module for module, name in _IMPORTS.findall(text)}
    found = []
    _, *methods = _METHODS.split(text)
    for name, source in zip(methods[::2], methods[1::2], strict=True):
        request, params = _REQUEST.search(source), _PARAMS.search(source)
        if request and service:
            verb, path = request[1].upper(), request[2]
            typed = (modules[params[1]], params[1]) if params else None
            found.append(Operation(verb, path, f"{service[1]}.{name}", typed))
    return found
