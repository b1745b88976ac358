"""Lists: newest first, a page at a time, forwards or backwards from a cursor.

Source: https://docs.stripe.com/api/pagination
"""

from collections.abc import Iterator
from typing import Any, Final

from sandbox.errors import invalid, missing
from sandbox.kernel.calls import Call
from sandbox.kernel.store import Clause, Doc
from sandbox.kernel.world import World

PAGING: Final = "created limit starting_after ending_before"
_COMPARISONS: Final = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DEFAULT, _MOST = 10, 100


def page(world: World, call: Call, name: str, filters: str = "", *, and_: Clause = ()) -> Doc:
    """Return one page of the stored resources that fit the given `filters` (see `params_of`).

    `and_` is one condition more, in SQL, followed by its values.
    """
    limit = _limit(call)
    backwards = "ending_before" in call.params
    clauses = [*_equal(call, filters), *_created(call), *_cursor(world, call, name)]
    clauses += [and_] * bool(and_)
    found = world.store.find(name, clauses=clauses, newest_first=not backwards, limit=limit + 1)
    data = found[:limit][::-1] if backwards else found[:limit]
    return as_list(data, url=call.path, has_more=len(found) > limit)


def first_of(docs: list[Doc], call: Call) -> Doc:
    """Return the first page of resources that live inside another, in their own order."""
    limit = _limit(call)
    return as_list(docs[:limit], url=call.path, has_more=len(docs) > limit)


def as_list(data: list[Doc], *, url: str, has_more: bool = False) -> Doc:
    """Wrap resources as Stripe wraps a list."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def params_of(filters: str) -> str:
    """Return the params among `filters`: `param`, or `param:path` where the field differs."""
    return " ".join(token.partition(":")[0] for token in filters.split())


def _equal(call: Call, filters: str) -> Iterator[Clause]:
    for token in filters.split():
        param, _, path = token.partition(":")
        value: Any = call.params
        for part in param.split("."):
            value = value.get(part, {})
        if value != {}:
            values = value if isinstance(value, list) else [value]
            marks = ",".join("?" * len(values))
            yield (f"json_extract(doc, '$.{path or param}') IN ({marks})", *values)


def _limit(call: Call) -> int:
    limit: int = call.params.get("limit", _DEFAULT)
    if not 1 <= limit <= _MOST:
        bound = "less than or equal to 100" if limit > _MOST else "greater than or equal to 1"
        raise invalid(f"Invalid integer: {limit}. It must be {bound}.", param="limit")
    return limit


def _cursor(world: World, call: Call, name: str) -> Iterator[Clause]:
    given = {"starting_after", "ending_before"} & call.params.keys()
    if len(given) > 1:
        message = "You may not pass both starting_after and ending_before."
        raise invalid(message, param="ending_before")
    for key in given:
        position = world.store.position(call.params[key])
        if position is None:
            kind = name.replace(".", "_")
            raise missing(kind, call.params[key], param=key, status=400)
        yield (f"seq {'<' if key == 'starting_after' else '>'} ?", position)


def _created(call: Call) -> Iterator[Clause]:
    wanted = call.params.get("created", {})
    for key, moment in ({"eq": wanted} if isinstance(wanted, int) else wanted).items():
        yield (f"json_extract(doc, '$.created') {_COMPARISONS[key]} ?", moment)
