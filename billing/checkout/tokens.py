"""What proves that a returning browser is the one that left: a signed token, and a cookie.

Neither alone is enough. The token stands in an address, which may be seen; the cookie stands in the
browser, which may be shared between checkouts.
"""

import hashlib
import hmac
from typing import Final
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

from billing.settings import Settings

_LIFE: Final = 24 * 60 * 60  # seconds


def fingerprint(browser: str) -> str:
    """Return what we keep of a browser's cookie."""
    return hashlib.sha256(browser.encode()).hexdigest()


def same_browser(browser: str, browser_hash: str) -> bool:
    """Whether a cookie is the one a checkout began with."""
    return bool(browser) and hmac.compare_digest(fingerprint(browser), browser_hash)


def return_token(settings: Settings, checkout_id: UUID) -> str:
    """Sign a checkout's id for its return address."""
    return _serializer(settings).dumps(checkout_id.hex)


def is_return_token(settings: Settings, token: str, checkout_id: UUID) -> bool:
    """Whether we signed this token for this checkout within the last day."""
    try:
        signed = _serializer(settings).loads(token, max_age=_LIFE)
    except BadData:
        return False
    return isinstance(signed, str) and hmac.compare_digest(signed, checkout_id.hex)


def _serializer(settings: Settings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.secret_key.get_secret_value(), salt="checkout-return")
