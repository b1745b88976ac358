"""`expand`: whole objects in place of their ids.

Source: https://docs.stripe.com/expand
"""

from typing import Any

from sandbox.contract.resources import held
from sandbox.errors import invalid, not_simulated
from sandbox.kernel.world import Doc, World

_DEEPEST = 4  # `data.` counts: Stripe refuses data.payments.data.payment.charge


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
    field, holder = parts[depth - 1], node
    for part in parts[: depth - 1]:
        holder = (holder or {}).get(part) or {}
    if field not in holder and held(node["object"], parts[:depth]) == "page":
        raise not_simulated(f"expanding {path}", param="expand")
    if holder:
        holder[field] = _whole(world, holder.get(field))
        inside = holder[field] if isinstance(holder[field], list) else [holder[field]]
        for item in inside:
            if isinstance(item, dict) and parts[depth:]:
                _walk(world, item, parts[depth:], path)


def _whole(world: World, value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(world, item) for item in value]
    return world.store.get(value) or value if isinstance(value, str) else value
