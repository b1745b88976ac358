"""Lists: newest first, a page at a time, forwards or backwards from a cursor.

Source: https://docs.stripe.com/api/pagination
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.errors import invalid, missing
from sandbox.kernel.calls import Call
from sandbox.kernel.store import Doc
from sandbox.kernel.world import World

_COMPARISONS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DEFAULT, _MOST = 10, 100


def page(
    world: World,
    call: Call,
    name: str,
    where: Mapping[str, Any] | None = None,
    *,
    conditions: tuple[str, ...] = (),
    values: tuple[Any, ...] = (),
) -> Doc:
    """Return one page of the stored resources that fit."""
    limit = _limit(call)
    backwards = "ending_before" in call.params
    created, moments = _created(call)
    cursor, positions = _cursor(world, call, name)
    found = world.store.find(
        name,
        where,
        conditions=(*conditions, *created, *cursor),
        values=(*values, *moments, *positions),
        newest_first=not backwards,
        limit=limit + 1,
    )
    data = found[:limit][::-1] if backwards else found[:limit]
    return as_list(data, url=call.path, has_more=len(found) > limit)


def page_of(docs: list[Doc], call: Call) -> Doc:
    """Return one page of resources that live inside another, in their own order."""
    limit, ids = _limit(call), [doc["id"] for doc in docs]
    start, end = 0, len(docs)
    if "starting_after" in call.params:
        start = _index(ids, call, "starting_after") + 1
    if "ending_before" in call.params:
        end = _index(ids, call, "ending_before")
        start = max(start, end - limit)
        return as_list(docs[start:end], url=call.path, has_more=start > 0)
    more = end - start > limit
    return as_list(docs[start : start + limit], url=call.path, has_more=more)


def as_list(data: list[Doc], *, url: str, has_more: bool = False) -> Doc:
    """Wrap resources as Stripe wraps a list."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def equals(call: Call, names: str) -> dict[str, Any]:
    """Return those of the named params that were given, as equalities to look for."""
    return {name: call.params[name] for name in names.split() if name in call.params}


def _limit(call: Call) -> int:
    limit: int = call.params.get("limit", _DEFAULT)
    if not 1 <= limit <= _MOST:
        bound = "less than or equal to 100" if limit > _MOST else "greater than or equal to 1"
        raise invalid(f"Invalid integer: {limit}. It must be {bound}.", param="limit")
    return limit


def _cursor(world: World, call: Call, name: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    given = [key for key in ("starting_after", "ending_before") if key in call.params]
    if len(given) > 1:
        raise invalid("You may not pass both starting_after and ending_before.", param=given[0])
    for key in given:
        ident = call.params[key]
        position = world.store.position(ident)
        if position is None:
            raise missing(name.replace(".", "_"), ident, param=key, status=400)
        return ((f"seq {'<' if key == 'starting_after' else '>'} ?",), (position,))
    return (), ()


def _created(call: Call) -> tuple[tuple[str, ...], tuple[int, ...]]:
    wanted = call.params.get("created", {})
    if isinstance(wanted, int):
        wanted = {"gte": wanted, "lte": wanted}
    field = "json_extract(doc, '$.created')"
    conditions = tuple(f"{field} {_COMPARISONS[key]} ?" for key in wanted)
    return conditions, tuple(wanted.values())


def _index(ids: list[str], call: Call, key: str) -> int:
    if call.params[key] not in ids:
        raise missing("object", call.params[key], param=key, status=400)
    return ids.index(call.params[key])
