"""Our cookies: HttpOnly, for this site only, and on https for this host alone."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from billing.settings import Settings

READER: Final = "reader"
STAFF: Final = "staff"
VISITOR: Final = "visitor"
CHECKOUT: Final = "checkout"
GIFT: Final = "gift"
PASS: Final = "pass"  # noqa: S105  # a name


def name_of(cookie: str, settings: Settings) -> str:
    """Return a cookie's name; browsers let nobody else set a `__Host-` cookie for this host.

    Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie
    """
    return f"__Host-{cookie}" if settings.secure else cookie


def read(request: Request, cookie: str, settings: Settings) -> str:
    """Return the value a browser brought, or ''."""
    return request.cookies.get(name_of(cookie, settings), "")


def give(
    response: Response, cookie: str, value: str, *, settings: Settings, max_age: int | None = None
) -> None:
    """Set a cookie; plain only where we are reached by http: on loopback."""
    response.set_cookie(
        name_of(cookie, settings),
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        secure=settings.secure,
        samesite="lax",
    )


def written(cookie: str, value: str, settings: Settings, *, max_age: int) -> str:
    """Return a cookie as the header that sets it, for doors without a Response."""
    secure = "; Secure" if settings.secure else ""
    name = name_of(cookie, settings)
    return f"{name}={value}; HttpOnly; Max-Age={max_age}; Path=/; SameSite=lax{secure}"


def take_back(response: Response, cookie: str, *, settings: Settings) -> None:
    """Make the browser forget a cookie."""
    response.delete_cookie(
        name_of(cookie, settings), path="/", httponly=True, secure=settings.secure, samesite="lax"
    )
