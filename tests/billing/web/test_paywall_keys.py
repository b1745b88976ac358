"""The public keys of reader passes, over HTTP, and the command that changes the key."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet

from billing.access.passes import Passes, numbers
from billing.access.reasons import Reason
from billing.context import Context
from billing.db import Database
from billing.models import AuditRecord
from billing.settings import Settings
from tests.service.conftest import command, environment_of

PATH = "/.well-known/jwks.json"


def kids(client: TestClient) -> list[str]:
    return [key["kid"] for key in client.get(PATH).json()["keys"]]


def test_anybody_may_fetch_the_keys_keep_them_a_while_and_verify_a_pass_with_them(
    client: TestClient, context: Context
) -> None:
    now = context.clock.now()
    token = Passes(context.settings, (1,)).issue(Reason.SEAT, until=None, now=now)

    answer = client.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "set-cookie" not in answer.headers
    claims = jwt.decode(token, KeySet.import_key_set(answer.json()), ["ES256"]).claims
    assert claims["reason"] == "seat"


def test_no_private_part_of_a_key_is_shown(client: TestClient) -> None:
    for key in client.get(PATH).json()["keys"]:
        assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x", "y"]
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")


def test_the_openapi_document_tells_of_the_keys_with_an_example_that_is_one(
    client: TestClient,
) -> None:
    document = client.get("/openapi.json").json()
    operation: dict[str, Any] = document["paths"][PATH]["get"]
    (example,) = document["components"]["schemas"]["PublicKeys"]["examples"]

    assert operation["operationId"] == "paywall_keys"
    assert set(example["keys"][0]) == set(client.get(PATH).json()["keys"][0])
    assert len(KeySet.import_key_set(example).keys) == 1


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_lets_the_next_key_sign_and_it_is_written_down(
    client: TestClient, db: Database, settings: Settings
) -> None:
    before = kids(client)

    done = command(("wall", "rotate"), environment_of(settings))

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "key 2 signs from now on; passes of the key before stay good until they end\n"
    )
    assert (before, kids(client)) == (["2", "1"], ["3", "2", "1"])
    with db.reading() as session:
        assert numbers(session) == (2, 1)
        rows = session.execute(sa.select(AuditRecord.actor, AuditRecord.action)).all()
    assert [tuple(row) for row in rows] == [("command line", "pass key rotated")]
