"""What every answer carries and what every form must prove, in two small ASGI layers.

Headers are worked out once for each process. An unsafe request must come from our own pages:
browsers say so themselves, so no form needs a hidden token and no form ever goes stale.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from secure import (
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    PermissionsPolicy,
    ReferrerPolicy,
    Secure,
    StrictTransportSecurity,
    XContentTypeOptions,
)
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.settings import STRIPE_API, Settings

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FROM_ELSEWHERE: Final = ("/webhooks/",)  # Stripe is no browser; its signature is its proof
# Where one pays, changes what one pays from, and pays what is still open.
_STRIPE_PAGES: Final = (
    "https://checkout.stripe.com",
    "https://billing.stripe.com",
    "https://invoice.stripe.com",
)
_A_YEAR: Final = 365 * 24 * 3600

Refusal = Callable[[Request], Response]


def protect(app: FastAPI, settings: Settings, *, refuse: Refusal) -> None:
    """Put both layers around an application; the headers go outermost.

    Args:
        app: the application.
        settings: of the deployment.
        refuse: draws the page for a form that came from somewhere else.
    """
    own = frozenset({origin_of(settings.public_url)})
    app.add_middleware(OwnForms, trusted=own, refuse=refuse)
    app.add_middleware(ProtectiveHeaders, headers=headers_for(settings))


def headers_for(settings: Settings) -> dict[str, str]:
    """Return the protective headers of every answer.

    Chromium applies `form-action` to the redirect that follows a form too, so it must name the
    places our forms lead on to: Stripe's pages and the paper.

    Source: https://www.w3.org/TR/CSP3/#directive-form-action
    """
    policy = (
        ContentSecurityPolicy()
        .default_src("'none'")
        .style_src("'self'")
        .img_src("'self'", "data:")
        .form_action("'self'", *_beyond_our_forms(settings))
        .frame_ancestors("'none'")
        .base_uri("'none'")
    )
    permissions = PermissionsPolicy()
    for feature in ("camera", "microphone", "geolocation", "payment", "usb", "browsing-topics"):
        permissions.add_directive(feature)
    headers = Secure(
        csp=policy,
        permissions=permissions,
        # Sign-in links and the way back from Stripe carry tokens: no other site is told.
        referrer=ReferrerPolicy().same_origin(),
        coop=CrossOriginOpenerPolicy().same_origin(),
        xcto=XContentTypeOptions().nosniff(),
        hsts=StrictTransportSecurity().max_age(_A_YEAR) if settings.secure else None,
    ).headers
    return dict(headers)


def headers_for_data(settings: Settings) -> dict[str, str]:
    """Return the protective headers of an answer that no browser shows as a page."""
    headers = Secure(
        csp=ContentSecurityPolicy().default_src("'none'").frame_ancestors("'none'"),
        xcto=XContentTypeOptions().nosniff(),
        hsts=StrictTransportSecurity().max_age(_A_YEAR) if settings.secure else None,
    ).headers
    return dict(headers)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _beyond_our_forms(settings: Settings) -> list[str]:
    places = [*_STRIPE_PAGES, origin_of(settings.paper_url)]
    if settings.stripe_api_base != STRIPE_API:
        local = origin_of(settings.stripe_api_base)
        # A local Stripe is asked by one name of the loopback and may show its page by the other.
        places += [local, local.replace("//127.0.0.1", "//localhost")]
    return list(dict.fromkeys(places))


class ProtectiveHeaders:
    """Adds the protective headers to every answer that does not bring its own."""

    def __init__(self, app: ASGIApp, *, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add on the way out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                said = {name for name, _ in own}  # an answer may bring a stricter policy of its own
                message["headers"] = own + [h for h in self._headers if h[0] not in said]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class OwnForms:
    """Refuses a form that another site made somebody's browser send.

    Source: https://web.dev/articles/fetch-metadata
    """

    def __init__(self, app: ASGIApp, *, trusted: frozenset[str], refuse: Refusal) -> None:
        self._app = app
        self._trusted = trusted
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is ours."""
        if (
            scope["type"] != "http"
            or scope["method"] in _SAFE
            or scope["path"].startswith(_FROM_ELSEWHERE)
            or self._is_ours(Headers(scope=scope))
        ):
            await self._app(scope, receive, send)
            return
        await self._refuse(Request(scope, receive))(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._trusted:
            return True
        if site is not None:
            return site in {"same-origin", "none"}
        if origin is not None:
            return urlsplit(origin).netloc == headers.get("host") != ""
        return True  # no browser sends a form without either
