"""`expand`: whole objects in place of their ids.

Source: https://docs.stripe.com/expand
"""

from collections.abc import Callable
from typing import Any, Final

from sandbox.contract.resources import held
from sandbox.errors import invalid, not_simulated
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_DEEPEST = 4  # `data.` counts: Stripe refuses data.payments.data.payment.charge

# Lists that are shown only when asked for, by resource and field.
INCLUDED: Final[dict[tuple[str, str], Callable[[World, Doc], Doc]]] = {}


def included(name: str, field: str) -> Callable[[Callable[[World, Doc], Doc]], Any]:
    """Register how to make a list that a resource shows only when it is expanded."""

    def register(function: Callable[[World, Doc], Doc]) -> Callable[[World, Doc], Doc]:
        INCLUDED[name, field] = function
        return function

    return register


def expand(world: World, answer: Doc, paths: list[str]) -> Doc:
    """Replace the ids at `paths` by what they name.

    Raises:
        StripeError: a path deeper than four levels, or to something that is not an object.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEEPEST:
            message = f"You cannot expand more than 4 levels of a property. Property: {path}"
            raise invalid(message, param="expand")
        _walk(world, answer, parts, path)
    return answer


def _walk(world: World, node: Doc, parts: list[str], path: str) -> None:
    if node["object"] == "list":
        if parts[0] != "data":
            message = f"This property cannot be expanded ({path}). "
            raise invalid(f"{message}You may want to try expanding 'data.{path}' instead.")
        for item in node["data"] if parts[1:] else []:
            _walk(world, item, parts[1:], path)
        return
    depth = next((n for n in range(1, len(parts) + 1) if held(node["object"], parts[:n])), None)
    if depth is None:
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    holder: Any = node
    for part in parts[: depth - 1]:
        holder = (holder or {}).get(part)
    if holder is None:
        return
    field = parts[depth - 1]
    is_page = held(node["object"], parts[:depth]) == "page"
    if is_page and field not in holder and (node["object"], field) not in INCLUDED:
        raise not_simulated(f"expanding {path}", param="expand")
    holder[field] = _whole(world, node, field, holder.get(field))
    inside = holder[field] if isinstance(holder[field], list) else [holder[field]]
    for item in inside:
        if isinstance(item, dict) and parts[depth:]:
            _walk(world, item, parts[depth:], path)


def _whole(world: World, node: Doc, field: str, value: Any) -> Any:
    if isinstance(value, str):
        return world.store.get(value) or value
    if isinstance(value, list):
        return [_whole(world, node, field, item) for item in value]
    if value is None and (node["object"], field) in INCLUDED:
        return INCLUDED[node["object"], field](world, node)
    return value
