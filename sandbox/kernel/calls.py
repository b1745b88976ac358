"""The operations the sandbox simulates, and what of each: everything else answers 501 by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.contract.operations import operations
from sandbox.errors import lacking, not_simulated
from sandbox.kernel.metadata import merged
from sandbox.kernel.world import Doc, World

__all__ = ["Call", "Doc", "World", "operation"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood: its params have their types and are all simulated."""

    path: str
    ids: Mapping[str, str]
    params: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The id in the path."""
        return next(iter(self.ids.values()))

    def named(self, world: World, name: str) -> Doc:
        """Return the resource that a param refers to, which must be given: both have one name."""
        self.need(name)
        return world.get(name, self.params[name], param=name, status=400)

    def need(self, *names: str) -> None:
        """Refuse a call that lacks a param which Stripe's types leave optional."""
        for name in names:
            if name not in self.params:
                raise lacking(name)

    def picked(self, names: str, doc: Doc | None = None) -> dict[str, Any]:
        """Return those of the named params that were given; an empty string becomes null.

        Metadata is merged into that of `doc`, the resource as it is.
        """
        given = {name: self.params[name] for name in names.split() if name in self.params}
        fields = {name: None if value == "" else value for name, value in given.items()}
        if "metadata" in given:
            fields["metadata"] = merged(doc["metadata"] if doc else {}, given["metadata"])
        return fields


Handler = Callable[[World, Call], Doc]


@dataclass(frozen=True, slots=True)
class Simulated:
    """A handler and the params it honours."""

    handler: Handler
    params: frozenset[str]


SIMULATED: Final[dict[tuple[str, str], Simulated]] = {}


def operation(method: str, path: str, params: str = "") -> Callable[[Handler], Handler]:
    """Register the handler of one of Stripe's operations.

    `params` names what it honours, nested ones with dots; a name alone stands for all inside it.
    """

    def register(handler: Handler) -> Handler:
        if (method, path) not in operations():
            raise LookupError(f"Stripe has no operation {method} {path}")
        SIMULATED[method, path] = Simulated(handler, frozenset([*params.split(), "expand"]))
        return handler

    return register


def refuse_unsimulated(params: Any, honoured: frozenset[str], *, within: str = "") -> None:
    """Answer 501 for a parameter Stripe knows and the handler does not."""
    if isinstance(params, list):
        for item in params:
            refuse_unsimulated(item, honoured, within=within)
    elif isinstance(params, dict):
        for key, value in params.items():
            name = f"{within}.{key}" if within else key
            if name in honoured:
                continue
            if not any(known.startswith(f"{name}.") for known in honoured):
                raise not_simulated(f"the parameter {name}", param=name)
            refuse_unsimulated(value, honoured, within=name)
