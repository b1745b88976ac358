"""One way to ask Stripe anything: pinned version, bounded patience, errors in our own words."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import stripe

from billing.errors import (
    ConfigurationError,
    KeyRefusedError,
    StripeRefusedError,
    StripeUnavailableError,
)
from billing.settings import STRIPE_API, Settings

API_VERSION: Final = "2026-10-28.endive"  # pinned with the SDK in the lock; moves on purpose only
APP: Final = "morning-star"  # marks what is ours on an account we may share
TIMEOUT: Final = 15  # seconds; the SDK's own 80 would outlive our leases
_RETRIES: Final = 2
_RIGHT: Final = re.compile(r"\brak_[a-z_]+\b")  # how Stripe names a right of a restricted key

Answer = TypeVar("Answer")

_until: ContextVar[float] = ContextVar("until", default=float("inf"))

# The SDK would otherwise send data about this machine, and write an id of its own into HOME.
stripe.enable_telemetry = False
os.environ.setdefault("STRIPE_SUPPRESS_NOTICES", "1")


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let no request to Stripe begin when so many seconds are over; it is as if none was answered.

    A piece of work is ours for a limited time, and one look asks Stripe many times. When Stripe is
    slow it is given up while it is still ours: who held on would look like somebody who died.
    """
    before = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(before)


class _Patient(stripe.RequestsClient):
    """Asks over HTTP while there is time: also for the next page, and for another try."""

    def request(  # type: ignore[override]  # as the SDK's own, which differs from its base's
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if time.monotonic() > _until.get():
            raise StripeUnavailableError("Stripe is slow, and the time for this is over")
        return super().request(method, url, headers, post_data)


def _sure() -> None:
    """Have nothing to ask."""


class Gateway:
    """Stripe, as one process reaches it.

    Attributes:
        live: whether real money moves by our key.
        is_ours: whether the key is known to be of the account our database belongs to.
        make_sure: called before we believe that Stripe has no such object; see `whose`.
    """

    is_ours = False

    def __init__(self, settings: Settings) -> None:
        """Take the key the settings hold, but never a live one to anybody but Stripe.

        Raises:
            ConfigurationError: a live key would be sent elsewhere.
        """
        if settings.live and settings.stripe_api_base != STRIPE_API:
            raise ConfigurationError(
                f"BILLING_STRIPE_API_BASE: a live key talks to {STRIPE_API} and nowhere else"
            )
        self.live = settings.live
        self.make_sure: Callable[[], None] = _sure
        self.client = stripe.StripeClient(
            settings.stripe_key.get_secret_value(),
            stripe_version=API_VERSION,
            base_addresses={"api": settings.stripe_api_base},
            max_network_retries=_RETRIES,
            http_client=_Patient(timeout=TIMEOUT),
        )

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask, and speak of failure in our own words.

        Raises:
            StripeRefusedError: Stripe understood and said no; the same question gets the same no.
            StripeUnavailableError: no answer, or none that can be relied on; ask again later.
            KeyRefusedError: of these, that our key may not ask; it has to be let.
        """
        try:
            return question()
        except (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError) as error:
            raise StripeRefusedError(_in_short(error), missing=_missing(error)) from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            lacks = "".join(f", it lacks {right}" for right in _RIGHT.findall(str(error)))
            raise KeyRefusedError(f"the key was refused: {_in_short(error)}{lacks}") from error
        except stripe.StripeError as error:
            raise StripeUnavailableError(_in_short(error), kept=_kept(error)) from error

    def ask_for(self, question: Callable[[], Answer]) -> Answer | None:
        """Ask for one object; None where Stripe has no such object.

        Raises:
            StripeUnavailableError, StripeRefusedError: as `ask`.
        """
        try:
            return self.ask(question)
        except StripeRefusedError as error:
            if not error.missing:
                raise
            self.make_sure()
            return None


def _missing(error: stripe.StripeError) -> str:
    """Name the parameter whose object Stripe does not have; '' for any other refusal."""
    if not isinstance(error, stripe.InvalidRequestError) or error.code != "resource_missing":
        return ""
    return error.param or "id"


def _kept(error: stripe.StripeError) -> bool:
    """Whether this failure was first answered to an earlier request with the same key."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def _in_short(error: stripe.StripeError) -> str:
    """Describe an error without its request: that may name a person."""
    parts = (type(error).__name__, error.http_status, error.code, error.request_id)
    return " ".join(str(part) for part in parts if part)
