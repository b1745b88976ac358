"""Secrets given out and the hashes kept of them: no table holds anything one could sign in with."""

import hashlib
import hmac
import secrets
from uuid import UUID

from billing.settings import Settings

_DIGITS = 6


def new_token() -> str:
    """Return 32 random bytes, fit for a link or a cookie."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """Return six random digits, for people to type."""
    return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"


def hash_token(token: str) -> str:
    """Return what is kept of a token; it is too long to guess, so a plain hash will do."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_code(settings: Settings, request_id: UUID, code: str) -> str:
    """Return what is kept of a code; a million are soon tried, so our secret key goes in."""
    key = settings.secret_key.get_secret_value().encode()
    return hmac.new(key, f"sign-in code:{request_id}:{code}".encode(), hashlib.sha256).hexdigest()
