"""What browsers send to the wall: each request whole, with the cookies that the wall gave them."""

import http.client
import json
import secrets
from collections.abc import Iterator
from datetime import datetime
from http.cookies import SimpleCookie
from typing import Any, Final

from benchmarks import _people
from billing.access.meter import Visitor, window_of, write_cookie
from billing.readers.meters import HASH
from billing.settings import Settings
from billing.sign_in.secrets import hash_token

LIMIT: Final = 20  # free articles
_TOGETHER: Final = 2_000  # visitors who read at one time
_CHECK: Final = "/paywall/v1/check?article="


def ask(cookie: str, article: str = "new") -> bytes:
    """Return one request as it comes over the wire."""
    return _request(_CHECK + article, cookie)


def signed_in(number: int, time: str = _people.FIRST_TIME) -> bytes:
    """Return what the browser of one of the many asks; it has no pass yet."""
    return ask(f"reader={_people.token(number, time)}")


def look_up(number: int) -> bytes:
    """Return what a floor is asked: it is told the key of the session to find."""
    token = _people.token(number)
    return _request(f"/?{hash_token(token)}", f"reader={token}")


def insert(_number: int) -> bytes:
    """Return what a floor is asked: it is told whose row to write, named as a visitor is."""
    return _request(f"/?v:{secrets.token_urlsafe(16)}", "")


def _request(target: str, cookie: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode()


def answer(
    server: http.client.HTTPConnection, cookie: str, article: str
) -> tuple[dict[str, Any], str]:
    """Ask once; return what was said, and the cookies as the browser keeps them then."""
    server.request("GET", _CHECK + article, headers={"Cookie": cookie})
    came = server.getresponse()
    said, kept = json.loads(came.read()), SimpleCookie(cookie)
    for header in came.headers.get_all("Set-Cookie") or []:
        kept.load(header)
    return said, "; ".join(f"{name}={crumb.value}" for name, crumb in kept.items())


def known(port: int, cookie: str, *, reason: str) -> bytes:
    """Let a browser ask until the wall knows it; return what it asks from then on.

    Raises:
        RuntimeError: it is not answered with the reason that is to be measured.
    """
    server = http.client.HTTPConnection("127.0.0.1", port)
    said: dict[str, Any] = {}
    for _ in range(3):
        said, cookie = answer(server, cookie, "new")
    if said["reason"] != reason:
        raise RuntimeError(f"{reason} was to be measured, but the wall said {said}")
    return ask(cookie)


def reading_on(settings: Settings, *, now: datetime) -> Iterator[bytes]:
    """Let visitors read one article after another while any is free; none asks twice at once."""
    window = window_of(now)
    first = "0" * HASH
    while True:
        met = [write_cookie(settings, Visitor.meet(window, first)) for _ in range(_TOGETHER)]
        for article in range(LIMIT - 2):
            for cookie in met:
                yield ask(f"visitor={cookie}", f"article-{article}")
