"""The public keys of reader passes, for whoever verifies a pass without asking us."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from starlette.responses import Response

from billing.access import passes
from billing.web.dependencies import ContextDep, SessionDep

PATH: Final = "/.well-known/jwks.json"
_DESCRIPTION: Final = """\
A reader pass is a JWT signed with ES256, in the cookie `pass`; its header's `kid` names one of
these keys. Accept no other algorithm, and only an `iss` that is our address, an `aud` that is the
paper's, and an `exp` that is to come.

The list may be kept for five minutes, and up to an hour while it cannot be fetched. It holds the
key that signs, the two before it and the one that will sign next. On a `kid` that is not in it,
fetch it again; after a change of `BILLING_SECRET_KEY` every key is another under its old `kid`."""
_EXAMPLE: Final[JsonDict] = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "1",
    "use": "sig",
    "alg": "ES256",
}

router = APIRouter()


class PublicKey(BaseModel):
    """One public key, as RFC 7517 writes it."""

    kty: str = Field(description="Always `EC`.")
    crv: str = Field(description="Always `P-256`.")
    x: str
    y: str
    kid: str = Field(description="The key's number, as a pass names it in its header.")
    use: str = Field(description="Always `sig`.")
    alg: str = Field(description="Always `ES256`.")


class PublicKeys(BaseModel):
    """The keys that passes may be signed with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": [_EXAMPLE]}]})

    keys: list[PublicKey]


@router.get(
    PATH,
    operation_id="paywall_keys",
    summary="The public keys of reader passes",
    description=_DESCRIPTION,
    tags=["paywall"],
    response_model=PublicKeys,
)
def keys(response: Response, context: ContextDep, session: SessionDep) -> dict[str, Any]:
    """Return the keys; anybody may keep them for a while."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return passes.Passes(context.settings, passes.numbers(session)).jwks()
