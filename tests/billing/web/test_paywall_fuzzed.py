"""The wall's faces held to their own OpenAPI document, by whatever a generator thinks of."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from billing.context import Context
from billing.settings import Paywall, Settings
from service.app import build

KEY = "k" * 40
# What a later release of the paper may send along is no fault of its question.
NOT_OURS: list[Any] = [negative_data_rejection]


@pytest.fixture
def database_url(sqlite_template: Any) -> Iterator[str]:
    """One kind will do: nothing here reaches for what the two do differently."""
    with sqlite_template.fresh() as url:
        yield url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"paywall": Paywall(limit=3, keys=(SecretStr(KEY),))})


FACES = ("/paywall/v1/check", "/paywall/v1/auth", "/paywall/v1/front", "/.well-known/jwks.json")


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("key", ["", KEY, "wrong"])
def test_each_face_answers_only_what_its_document_says(
    context: Context, face: str, key: str
) -> None:
    app = build(context)
    with TestClient(app, base_url="http://localhost:8000"):
        document = schemathesis.openapi.from_asgi("/openapi.json", app)
        operation = document[face]["GET"]
        headers = {"Authorization": f"Bearer {key}"} if key else {}

        @given(operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE))
        @hypothesis_settings(
            max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=headers, excluded_checks=NOT_OURS)

        ask()
