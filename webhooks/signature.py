"""Is this from Stripe? An HMAC over the raw bytes, checked before anything is read.

Everything here is bytes: a header may hold any byte, and the SDK's own check raises on some of
them. The endpoint may have several secrets while one is replaced, and Stripe may sign with each.
"""

import hmac
import re
from collections.abc import Collection, Sequence
from typing import Final

from billing.errors import BillingError, ConfigurationError
from billing.settings import Settings

TOLERANCE: Final = 300  # seconds, either way
_STAMP: Final = re.compile(rb"[0-9]{1,12}")


class SignatureError(BillingError):
    """Not from Stripe, as far as can be told; the message is the short reason."""


class FromTheFutureError(SignatureError):
    """Signed by Stripe, but later than it is here: one of the two clocks is wrong."""


def secrets_of(settings: Settings) -> tuple[bytes, ...]:
    """Return the endpoint's signing secrets.

    Raises:
        ConfigurationError: one of them is empty, so anybody could sign with it.
    """
    found = tuple(s.get_secret_value().strip().encode() for s in settings.stripe_webhook_secrets)
    if not all(found):
        raise ConfigurationError("BILLING_STRIPE_WEBHOOK_SECRETS: an empty secret is no secret")
    return found


def check(header: bytes, body: bytes, *, secrets: Sequence[bytes], now: float) -> None:
    """Refuse a body which none of our secrets has signed just now.

    Args:
        header: the value of `Stripe-Signature`, such as `t=1763892000,v1=5257…`.
        body: exactly as it came; parsed and written again it would no longer match.
        secrets: any one of them will do.
        now: real seconds since 1970. Not the program's clock: that one may be moved by a local
            Stripe, while the stamp in a signature is always the time it was really made.

    Raises:
        FromTheFutureError: the signature is good, its time more than five minutes ahead of ours.
        SignatureError: for every other reason.

    Source: https://docs.stripe.com/webhooks#verify-manually
    """
    stamp, given = _parts(header)
    signed = stamp + b"." + body
    if not any(_matches(signed, secret, given) for secret in secrets if secret):
        raise SignatureError("no signature matches")
    # Only now: a stranger must not be able to make us doubt our clock.
    age = now - int(stamp)
    if age > TOLERANCE:
        raise SignatureError("the signature is too old")
    if age < -TOLERANCE:
        raise FromTheFutureError("the signature is from the future")


def signers(header: bytes, body: bytes, secrets: Collection[bytes]) -> set[bytes]:
    """Return which of some secrets have signed a body, at any time."""
    try:
        stamp, given = _parts(header)
    except SignatureError:
        return set()
    return {secret for secret in secrets if _matches(stamp + b"." + body, secret, given)}


def sign(body: bytes, *, secret: bytes, at: int) -> bytes:
    """Return the header Stripe would send with a body."""
    stamp = str(at).encode()
    return b"t=" + stamp + b",v1=" + _mac(stamp + b"." + body, secret)


def _parts(header: bytes) -> tuple[bytes, list[bytes]]:
    """Take a header apart: its one time, and every signature of the one scheme we know."""
    pairs = [part.strip().partition(b"=") for part in header.split(b",")]
    stamps = [value for key, _, value in pairs if key == b"t"]
    if len(stamps) != 1 or not _STAMP.fullmatch(stamps[0]):
        raise SignatureError("no signature")
    return stamps[0], [value for key, _, value in pairs if key == b"v1"]


def _matches(signed: bytes, secret: bytes, given: list[bytes]) -> bool:
    expected = _mac(signed, secret)
    return any(hmac.compare_digest(expected, each) for each in given)


def _mac(signed: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, signed, "sha256").hex().encode()
