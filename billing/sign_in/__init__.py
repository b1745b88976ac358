"""Proof that somebody reads the mail of an address, and the browser sessions that follow.

Tokens, codes and session cookies are stored only as hashes; a link or a code works once, and
looking at a link uses nothing up. What a proof means (which reader, which of the staff) is decided
above.
"""

from billing.sign_in.address import local_path, normalise
from billing.sign_in.redeem import Proof, address_of_link, redeem_code, redeem_link
from billing.sign_in.request import LASTS, awaiting, issue, request
from billing.sign_in.sessions import (
    READER_LASTS,
    STAFF_LASTS,
    begin_session,
    end_session,
    forget_expired,
    session_person,
)

__all__ = [
    "LASTS",
    "READER_LASTS",
    "STAFF_LASTS",
    "Proof",
    "address_of_link",
    "awaiting",
    "begin_session",
    "end_session",
    "forget_expired",
    "issue",
    "local_path",
    "normalise",
    "redeem_code",
    "redeem_link",
    "request",
    "session_person",
]
