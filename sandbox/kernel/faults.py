"""Failures on demand: what may become of an API call on its way, by the names in `FAULTS`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sandbox.errors import StripeError

# The closed list. The last four spoil only the answer; of the others the call does nothing, or
# does all its work first (`after_effect`).
FAULTS: Final[Mapping[str, str]] = {
    "error": "is answered `status` (500 unless told)",
    "kept_error": "is answered `status`, and the same key is answered the same for a day",
    "rate_limited": "is answered 429: too many requests",
    "lock_timeout": "is answered 429: the object is locked, and told to try again",
    "lock_timeout_final": "is answered 429: the object is locked, and told not to try again",
    "locked": "is answered 409: another request is changing the object",
    "key_in_use": "is answered 409: another request with its key is not finished",
    "dropped": "loses its connection and gets no answer",
    "html": "is answered a page with status 200 in place of JSON",
    "moved": "is answered 301 and sent to a page",
    "cut": "loses its connection in the middle of the answer",
    "truncated": "is answered JSON that ends half-way",
    "drip": "is answered in small pieces over `delay` seconds",
    "slow": "waits `delay` seconds, then is answered",
}
_ANSWER_ONLY: Final = {"cut", "truncated", "drip", "slow"}
_PIECES: Final = 20

_LOCKED = (
    "This object cannot be accessed right now because another API request or Stripe process is "
    "currently accessing it. If you see this error intermittently, retry the request."
)


def _lock_timeout(status: int) -> StripeError:
    """Source: https://docs.stripe.com/rate-limits#object-lock-timeouts."""
    return StripeError(status, "invalid_request_error", _LOCKED, code="lock_timeout")


_REFUSALS: Final[Mapping[str, StripeError]] = {
    "rate_limited": StripeError(
        429, "invalid_request_error", "Request rate limit exceeded.", code="rate_limit"
    ),
    "lock_timeout": _lock_timeout(429),
    "lock_timeout_final": _lock_timeout(429),
    "locked": _lock_timeout(409),
    "key_in_use": StripeError(
        409,
        "idempotency_error",
        "There is currently another in-progress request using this idempotency key.",
        code="idempotency_key_in_use",
    ),
}
# Source: https://docs.stripe.com/error-low-level#stripe-should-retry
_SHOULD_RETRY: Final = {"lock_timeout": "true", "lock_timeout_final": "false"}


@dataclass(slots=True)
class Fault:
    """Which calls are to fail, how, and how often.

    Attributes:
        kind: one of `FAULTS`.
        after_effect: the call does its work, and its true answer is kept under its key.
        delay: real seconds: of a drip, else before anything else happens.
    """

    kind: str
    method: str
    path_prefix: str
    status: int
    after_effect: bool
    times: int
    delay: float = 0.0

    @property
    def acts(self) -> bool:
        """Whether the call still does its work."""
        return self.after_effect or self.kind in _ANSWER_ONLY

    @property
    def refusal(self) -> StripeError | None:
        """What the call is answered in place of its own answer, if anything."""
        if self.kind not in {"error", "kept_error"}:
            return _REFUSALS.get(self.kind)
        limited = self.status == 429  # noqa: PLR2004
        kind = "invalid_request_error" if limited else "api_error"
        return StripeError(self.status, kind, "This failure was ordered in the sandbox.")

    def spoil(self, answer: Response) -> Response:
        """Return what the caller gets to see of an answer."""
        if self.kind in _SHOULD_RETRY:
            answer.headers["Stripe-Should-Retry"] = _SHOULD_RETRY[self.kind]
        half = bytes(answer.body)[: len(answer.body) // 2]
        match self.kind:
            case "dropped":
                answer = _Broken(b"")
            case "cut":
                answer = _Broken(half, answer.status_code, dict(answer.headers))
            case "truncated":
                answer = Response(half, answer.status_code, media_type="application/json")
            case "html":
                answer = HTMLResponse("<!doctype html><title>Sign in to this network</title>")
            case "moved":
                answer = RedirectResponse("/", 301)
            case "drip":
                pieces = _slowly(bytes(answer.body), self.delay)
                answer = StreamingResponse(pieces, answer.status_code, dict(answer.headers))
            case _:
                pass
        return answer


class Faults(list[Fault]):
    """The failures that have been ordered and not happened yet; the world's lock guards them."""

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault this call meets, if any, and use it up."""
        for fault in self:
            if fault.method in {"", method} and path.startswith(fault.path_prefix):
                fault.times -= 1
                if fault.times <= 0:
                    self.remove(fault)
                return fault
        return None


class _Broken(Response):
    """An answer whose connection breaks before any of it is sent, or after `body`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.body:
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
        scope["extensions"]["connection"]["close"]()
        while (await receive())["type"] != "http.disconnect":
            pass


async def _slowly(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    size = len(body) // _PIECES + 1
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / _PIECES)
        yield body[start : start + size]
