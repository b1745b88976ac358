"""The paywall check in the OpenAPI document, written by hand: the endpoint is no FastAPI route."""

from typing import Any, Final

from fastapi import FastAPI

from billing.access import Reason
from billing.web.paywall import PATH

_INSTANT: Final = {"type": "string", "format": "date-time"}
_NONE: Final = {"type": "null"}
_LINKS: Final = ("subscribe", "sign_in", "support", "appeal", "shop")


def describe(app: FastAPI) -> None:
    """Make an application's OpenAPI document tell of the check too."""
    drawn_by_fastapi = app.openapi

    def whole() -> dict[str, Any]:
        document = drawn_by_fastapi()
        document["paths"].setdefault(PATH, {"get": _OPERATION})
        return document

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _object(description: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": sorted(properties),
    }


_METER: Final = _object(
    "Where the free articles decided; null for somebody with a right to read.",
    used={"type": "integer", "description": "Articles counted, this one included."},
    limit={"type": "integer", "description": "Free articles in a window."},
    remaining={"type": "integer"},
    resets_at=_INSTANT,
)
_ANSWER: Final = _object(
    "One decision.",
    access={"enum": ["granted", "denied"]},
    reason={
        "enum": [reason.value for reason in Reason],
        "description": "A closed list. All but `limit_reached` grant.",
    },
    because={"type": "string", "description": "A sentence for the reader."},
    message={
        "anyOf": [{"type": "string"}, _NONE],
        "description": "What to print at the wall; null where access is granted.",
    },
    offer={
        "anyOf": [{"type": "string"}, _NONE],
        "description": "What a subscription costs, for the wall; null where access is granted.",
    },
    valid_until={
        "anyOf": [_INSTANT, _NONE],
        "description": "The next instant at which time alone changes the answer; null: never.",
    },
    meter={"anyOf": [_METER, _NONE]},
    links=_object("Where to send the reader.", **{name: {"type": "string"} for name in _LINKS}),
    decision_id={"type": "string", "description": "Names this answer in a support question."},
)
_FAULT: Final = _object(
    "Why the question cannot be answered, and what to do.",
    error=_object("The fault.", code={"type": "string"}, message={"type": "string"}),
)


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_OPERATION: Final[dict[str, Any]] = {
    "operationId": "paywall_check",
    "summary": "May this reader read this article?",
    "description": (
        "Asked by the paper's server, which passes on the browser's Cookie header and relays every"
        " Set-Cookie. HEAD, and a request with `Sec-Purpose: prefetch`, `Purpose: prefetch` or"
        " `X-Moz: prefetch`, is answered but not counted."
    ),
    "tags": ["paywall"],
    "parameters": [
        {
            "name": "article",
            "in": "query",
            "required": True,
            "description": "The article's stable id, never its address.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/~-]{0,199}$"},
            "example": "node/4711",
        },
        *(
            {"name": name, "in": "cookie", "required": False, "schema": {"type": "string"}}
            for name in ("reader", "visitor")
        ),
    ],
    "responses": {
        "200": _json("The answer, whether or not the reader may read.", _ANSWER),
        "400": _json("The article's id is missing or unreadable.", _FAULT),
        "503": {"description": "The database does not answer; ask again, or decide alone."},
    },
}
