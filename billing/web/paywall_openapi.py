"""The wall's faces in the OpenAPI document, written by hand: they are no FastAPI routes."""

from typing import Any, Final

from fastapi import FastAPI

from billing.access import Flag, Reason
from billing.access.case import ARTICLE
from billing.web.paywall import AUTH, CHECK, FRONT, MOST_AT_ONCE

_INSTANT: Final = {"type": "string", "format": "date-time"}
_NONE: Final = {"type": "null"}
_TEXT: Final = {"type": "string"}
_LINKS: Final = ("subscribe", "sign_in", "support", "appeal", "shop", "give")
_ARTICLE: Final = {"type": "string", "pattern": f"^{ARTICLE}$"}
_NEVER_KEPT: Final = {"Cache-Control": {"schema": {"const": "private, no-store"}}}


def describe(app: FastAPI) -> None:
    """Make an application's OpenAPI document tell of the wall too."""
    drawn_by_fastapi = app.openapi

    def whole() -> dict[str, Any]:
        document = drawn_by_fastapi()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["paper"] = {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of BILLING_PAYWALL__KEYS: the paper's own server asks.",
        }
        for path, operation in _OPERATIONS.items():
            document["paths"].setdefault(path, {"get": operation})
        return document

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _object(description: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": sorted(properties),
    }


def _or_none(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"anyOf": [schema, _NONE], "description": description}


_BRIEFLY: Final[dict[str, Any]] = {
    "access": {"enum": ["granted", "denied"]},
    "reason": {
        "enum": [reason.value for reason in Reason],
        "description": "A closed list. These deny: "
        + ", ".join(f"`{reason}`" for reason in Reason if not reason.grants)
        + ".",
    },
    "because": {"type": "string", "description": "A sentence for the reader."},
}
_METER: Final = _object(
    "Where the free articles decided.",
    used={"type": "integer", "description": "Articles counted, this one included."},
    limit={"type": "integer", "description": "Free articles in a window."},
    remaining={"type": "integer"},
    resets_at=_INSTANT,
)
_ANSWER: Final = _object(
    "One decision.",
    **_BRIEFLY,
    message=_or_none(_TEXT, "What to print at the wall; null where access is granted."),
    offer=_or_none(_TEXT, "What a subscription costs; null where there is nothing to offer."),
    valid_until=_or_none(
        _INSTANT, "The next instant at which time alone changes the answer; null: never."
    ),
    meter=_or_none(_METER, "Null for somebody with a right to read."),
    links=_object("Where to send the reader.", **dict.fromkeys(_LINKS, _TEXT)),
)
_FAULT: Final = _object(
    "Why the question cannot be answered, and what to do.",
    error=_object("The fault.", code=_TEXT, message=_TEXT),
)
_SITE: Final = "https://support.example"
_GRANTED: Final = {
    "access": "granted",
    "reason": "metered",
    "because": "This is free article 3 of 20. The count restarts on 1 December 2026.",
    "message": None,
    "offer": None,
    "valid_until": "2026-12-01T00:00:00+00:00",
    "meter": {
        "used": 3,
        "limit": 20,
        "remaining": 17,
        "resets_at": "2026-12-01T00:00:00+00:00",
    },
    "links": {
        "subscribe": f"{_SITE}/subscribe?source=node%2F4711",
        "sign_in": f"{_SITE}/sign-in?next=%2Fread%3Farticle%3Dnode%2F4711",
        "support": f"{_SITE}/support?source=node%2F4711",
        "appeal": f"{_SITE}/appeals/95th-anniversary",
        "shop": "https://shop.example/",
        "give": f"{_SITE}/give?article=node%2F4711",
    },
}
_DENIED: Final = {
    **_GRANTED,
    "access": "denied",
    "reason": "limit_reached",
    "because": "You have read your 20 free articles. The count restarts on 1 December 2026.",
    "message": "You have reached the free limit. Subscribe to continue reading.",
    "offer": "From £2.99 a month. You can end it whenever you like.",
    "meter": {
        "used": 20,
        "limit": 20,
        "remaining": 0,
        "resets_at": "2026-12-01T00:00:00+00:00",
    },
}
_GLANCE: Final = _object("One article at a glance.", **_BRIEFLY)
_GLANCES: Final = _object(
    "Many articles.", articles={"type": "object", "additionalProperties": _GLANCE}
)
_FRONT_PAGE: Final = {
    "articles": {
        "node/4711": {name: _GRANTED[name] for name in _BRIEFLY},
        "node/4712": {name: _DENIED[name] for name in _BRIEFLY},
    }
}


def _json(description: str, schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {
        "description": description,
        "headers": _NEVER_KEPT,
        "content": {"application/json": content},
    }


def _parameter(name: str, place: str, schema: dict[str, Any], words: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": False,
        "schema": schema,
        "description": words,
    }


_COOKIES: Final = [
    _parameter(name, "cookie", _TEXT, words)
    for name, words in (
        ("reader", "Ours, of a reader who is signed in; `__Host-reader` on https, as are all."),
        ("visitor", "Ours, of somebody who has read free articles."),
        ("gift", "Ours, of somebody to whom an article was passed on."),
        ("pass", "Ours, of a reader with a right: the reader pass."),
    )
]
_PREPARES: Final = _parameter(
    "Sec-Purpose", "header", _TEXT, "`prefetch` where nobody looks at the page yet."
)
_FLAG: Final = {"enum": [flag.value for flag in Flag]}
_BY_KEY: Final[list[dict[str, list[str]]]] = [{}, {"paper": []}]
_REFUSALS: Final = {
    "400": _json("The question cannot be read.", _FAULT),
    "401": _json("The key is none of ours.", _FAULT),
    "403": _json("A flag was sent without a key.", _FAULT),
}
_NOT_COUNTED: Final = (
    "HEAD, and a request with `Sec-Purpose: prefetch`, `Purpose: prefetch` or `X-Moz: prefetch`,"
    " counts nothing; a free article that would have to be counted is then denied as `prepared`."
)

_CHECK: Final = {
    "operationId": "paywall_check",
    "summary": "May this reader read this article?",
    "description": (
        "Asked by the paper's server, which passes on the browser's Cookie header and relays every"
        f" Set-Cookie. {_NOT_COUNTED} While our database is away the answer is `outage` or"
        " `unavailable`, as the settings say."
    ),
    "tags": ["paywall"],
    "security": _BY_KEY,
    "parameters": [
        {
            **_parameter("article", "query", _ARTICLE, "The article's stable id."),
            "required": True,
            "example": "node/4711",
        },
        _parameter("flag", "query", _FLAG, "What the paper says of it; only with a key."),
        _PREPARES,
        *_COOKIES,
    ],
    "responses": {
        "200": _json(
            "The answer, whether or not the reader may read.",
            _ANSWER,
            granted=_GRANTED,
            denied=_DENIED,
        ),
        **_REFUSALS,
    },
}
_COPIED: Final = {
    "X-Paywall-Access": {"schema": {"enum": ["granted", "denied"]}},
    "X-Paywall-Reason": {"schema": _BRIEFLY["reason"], "example": "metered"},
    "X-Paywall-Variant": {
        "schema": {"enum": ["full", "wall"]},
        "description": "For the key of a cache.",
    },
    "X-Paywall-Remaining": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "example": "17"},
    **_NEVER_KEPT,
}
_AUTH: Final = {
    "operationId": "paywall_auth",
    "summary": "The same question, as nginx asks it",
    "description": (
        "For `auth_request`: no body, and only 204, 401 or 403. The headers are there to be"
        " copied, with at most one Set-Cookie."
    ),
    "tags": ["paywall"],
    "security": _BY_KEY,
    "parameters": [
        _parameter("article", "query", _ARTICLE, "The article's stable id, where nginx knows it."),
        _parameter("X-Original-URI", "header", _TEXT, "Else: what the browser asked for."),
        _parameter("X-Original-Method", "header", _TEXT, "What is not GET counts nothing."),
        _parameter("X-Article-Flag", "header", _FLAG, "Only with a key."),
        *_COOKIES,
    ],
    "responses": {
        "204": {"description": "The reader may read.", "headers": _COPIED},
        "401": {"description": "A visitor may not.", "headers": _COPIED},
        "403": {
            "description": "A reader may not, or the question is wrong (`X-Paywall-Fault`).",
            "headers": {"X-Paywall-Access": _COPIED["X-Paywall-Access"], **_NEVER_KEPT},
        },
    },
}
_MANY: Final = {"type": "array", "items": _ARTICLE, "maxItems": MOST_AT_ONCE}
_FRONT: Final = {
    "operationId": "paywall_front",
    "summary": "The same question for many articles at once",
    "description": "For a front page: it counts nothing, and sets no cookie.",
    "tags": ["paywall"],
    "security": _BY_KEY,
    "parameters": [
        {
            **_parameter("article", "query", _MANY, f"Up to {MOST_AT_ONCE} ids, each once."),
            "example": ["node/4711", "node/4712"],
        },
        _parameter("free", "query", _MANY, "Ids of articles flagged free; only with a key."),
        _parameter("locked", "query", _MANY, "Ids of locked ones; only with a key."),
        *_COOKIES,
    ],
    "responses": {"200": _json("An answer for each.", _GLANCES, page=_FRONT_PAGE), **_REFUSALS},
}
_OPERATIONS: Final[dict[str, Any]] = {CHECK: _CHECK, AUTH: _AUTH, FRONT: _FRONT}
