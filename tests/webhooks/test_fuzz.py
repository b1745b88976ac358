"""Any bytes at all at Stripe's door; `./dev fuzz` runs a million of the same."""

from fastapi import FastAPI
from fastapi.testclient import TestClient

from billing.context import Context
from tests.webhooks import fuzz
from tests.webhooks.conftest import SECRET, application

_MANY = range(1_500)


def test_whatever_comes_is_taken_or_refused_and_never_breaks_anything(quiet: Context) -> None:
    app = application(quiet)
    with TestClient(app) as client:
        assert client.portal is not None
        found = client.portal.call(_run, app, quiet)

    assert found.violations == []
    assert set(found.answers) == fuzz.ALLOWED
    assert sum(found.answers.values()) + found.gone == len(_MANY)


async def _run(app: FastAPI, context: Context) -> fuzz.Found:
    return await fuzz.run(app, context.db, _MANY, seed=1, secret=SECRET)


def test_a_request_can_be_made_again_from_its_seed_and_number() -> None:
    ours = [fuzz.made(1, number, SECRET) for number in range(200)]

    assert [fuzz.made(1, number, SECRET).parts for number in range(200)] == [r.parts for r in ours]
    assert {request.ours for request in ours} == {True, False, None}
