"""The reader pass: a token that says, for a few minutes, that whoever holds it may read.

It names nobody: it carries the right's reason and its end, signed so that the paper can see for
itself that it is ours, without asking us. It never outlasts the right it was given for.

A key is a number. What signs is made from our secret and the number, so no table holds anything
worth stealing. The newest number signs. Published are the newest three, so that what was signed
before a change is good until it ends, and the next one, so that a list of keys which somebody kept
from before a change holds the key that signs after it.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from sqlalchemy.orm import Session

from billing import audit
from billing.access.reasons import OF_SOURCE, Reason
from billing.db import insert_ignore
from billing.errors import RefusedError
from billing.models import PassKey
from billing.settings import Settings

_ALGORITHM: Final = "ES256"
_FIRST: Final = 1  # there without a row, so that nothing has to be set up
_PUBLISHED: Final = 3
_LONGEST: Final = 2000  # characters; ours have about 300
_STEP: Final = 30  # seconds: passes of one reason that begin in the same step are one
_MOST_KEYS: Final = 20  # that are tried while we do not know which there are
_REMEMBERED: Final = 4096  # verified passes; a signature costs more than all the rest of a check
# A pass opens every article, so it is given for a right of one's own: not for a free article, for
# one that was passed on, or for what is open to all anyway.
_LASTING: Final = frozenset(OF_SOURCE.values())


def numbers(session: Session) -> tuple[int, ...]:
    """Return the keys there are, the newest first."""
    rows = session.scalars(sa.select(PassKey.number))
    return tuple(sorted({_FIRST, *rows}, reverse=True))


def rotate(session: Session, *, actor: str, now: datetime) -> int:
    """Let a new key sign from now on, and return its number; what was signed stays good.

    Raises:
        RefusedError: somebody else does so at this moment.
    """
    number = numbers(session)[0] + 1
    added = session.scalar(
        insert_ignore(session, PassKey)
        .values(number=number, created_at=now)
        .returning(PassKey.number)
    )
    if added is None:
        raise RefusedError("Somebody else changed the key at this moment; look before you do too.")
    subject = f"pass_key:{number}"
    audit.record(session, actor=actor, action="pass key rotated", subject=subject, now=now)
    return number


class Passes:
    """What a process needs to give passes and to read them; it asks nothing and nobody.

    Args:
        settings: of the deployment.
        numbers: the keys there are, the newest first; after a change make another of these. None
            while they are not known: then none is given, and whatever we may have signed is read.
    """

    def __init__(self, settings: Settings, numbers: Sequence[int] | None) -> None:
        self._iss, self._aud = settings.public_url, settings.paper_url
        self._seconds = settings.paywall.pass_minutes * 60
        secret = settings.secret_key.get_secret_value()
        signing = numbers[0] if numbers else _FIRST
        known = (signing + 1, *numbers[:_PUBLISHED]) if numbers else range(_FIRST, _MOST_KEYS)
        self._gives = numbers is not None and self._seconds > 0
        self._header = _header(signing)
        self._key = ECKey.import_key(_private_key(secret, signing))
        self._public = {_written(secret, number): _public_key(secret, number) for number in known}
        self._signed = lru_cache(_REMEMBERED)(self._verify)
        self._made = lru_cache(_REMEMBERED)(self._sign)

    def issue(self, reason: Reason, *, until: datetime | None, now: datetime) -> str:
        """Return a pass for a right that holds until an instant, or for ever.

        It is '' where there is none to give: for a reason that is no right of one's own, in the
        right's last second, and where the settings give none at all.
        """
        moment = int(now.timestamp())
        begins = moment - moment % _STEP
        ends = begins + self._seconds
        if until is not None:
            ends = min(ends, int(until.timestamp()))
        if not self._gives or reason not in _LASTING or ends <= moment:
            return ""
        return self._made(reason, begins, ends)

    def _sign(self, reason: Reason, begins: int, ends: int) -> str:
        """Sign a pass; it names nobody, so all who have the same reason and end share it."""
        claims = {
            "iss": self._iss,
            "aud": self._aud,
            "iat": begins,
            "exp": ends,
            "reason": reason.value,
        }
        return jwt.encode(self._header, claims, self._key, [_ALGORITHM])

    def reads(self, token: str, *, now: datetime) -> bool:
        """Tell whether this is a pass of ours that has not ended."""
        return self._claims(token, now=now) is not None

    def lasts(self, token: str, *, now: datetime) -> bool:
        """Tell whether it reads, and at least half of its time is left: no other is needed yet."""
        claims = self._claims(token, now=now)
        return claims is not None and 2 * now.timestamp() <= claims["iat"] + claims["exp"]

    def jwks(self) -> dict[str, Any]:
        """Return the public keys, as whoever verifies passes reads them."""
        return dict(KeySet(list(self._public.values())).as_dict())

    def _claims(self, token: str, *, now: datetime) -> dict[str, Any] | None:
        if len(token) > _LONGEST:
            return None
        registry = jwt.JWTClaimsRegistry(
            int(now.timestamp()),
            iss={"essential": True, "value": self._iss},
            aud={"essential": True, "value": self._aud},
            exp={"essential": True},
        )
        try:
            claims = self._signed(token)
            registry.validate(claims)
        except (JoseError, KeyError, ValueError):
            return None
        return claims

    def _verify(self, token: str) -> dict[str, Any]:
        """Return what a token says, if we signed it.

        Its header must be one that we write, to the letter: a token cannot choose how it is read.
        """
        key = self._public[token.partition(".")[0]]
        return jwt.decode(token, key, [_ALGORITHM]).claims


def _header(number: int) -> dict[str, Any]:
    return {"alg": _ALGORITHM, "kid": str(number)}


@lru_cache(maxsize=32)
def _written(secret: str, number: int) -> str:
    """Return a key's header as it begins a token."""
    key = ECKey.import_key(_private_key(secret, number))
    return jwt.encode(_header(number), {}, key, [_ALGORITHM]).partition(".")[0]


@lru_cache(maxsize=32)
def _public_key(secret: str, number: int) -> ECKey:
    public = _private_key(secret, number).public_key()
    return ECKey.import_key(public, {"kid": str(number), "use": "sig", "alg": _ALGORITHM})


@lru_cache(maxsize=32)
def _private_key(secret: str, number: int) -> ec.EllipticCurvePrivateKey:
    """Make a key from our secret and its number, the same in every process.

    128 bits more than the curve has are drawn, so that no key is likelier than another.

    Source: https://nvlpubs.nist.gov/nistpubs/FIPS/NIST.FIPS.186-5.pdf (A.2.1)
    """
    drawn = HKDF(SHA256(), length=48, salt=None, info=b"reader pass %d" % number)
    curve = ec.SECP256R1()
    value = int.from_bytes(drawn.derive(secret.encode()), "big") % (curve.group_order - 1) + 1
    return ec.derive_private_key(value, curve)
