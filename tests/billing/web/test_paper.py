"""The way back to the article that stopped somebody, also for those who only had to sign in."""

import dataclasses
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from billing.context import Context
from service.app import build
from tests.support.pages import Page


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    paywall = context.settings.paywall.model_copy(update={"article_path": "/node/{article}"})
    settings = context.settings.model_copy(update={"paywall": paywall})
    app = build(dataclasses.replace(context, settings=settings))
    with TestClient(app, base_url="http://localhost:8000", follow_redirects=False) as browser:
        yield browser


def test_the_sign_in_of_the_wall_leads_on_to_the_article_that_stopped_the_reader(
    client: TestClient,
) -> None:
    wall = client.get("/paywall/v1/check", params={"article": "ms-1001"}).json()

    door = client.get(wall["links"]["sign_in"])
    [form] = [form for form in Page(door.text).forms if form.action == "/sign-in"]

    assert form.fields["next"] == "/read?article=ms-1001"
    led = client.get(form.fields["next"])
    assert (led.status_code, led.headers["location"]) == (303, "http://localhost:8080/node/ms-1001")


@pytest.mark.parametrize(
    "article", ["//evil.test/x", "@evil.test", "../..", "x\r\nSet-Cookie: a=b"]
)
def test_no_id_leads_out_of_the_paper(client: TestClient, article: str) -> None:
    led = client.get("/read", params={"article": article}).headers

    assert led["location"].startswith("http://localhost:8080/node/")
    assert led["location"].count("/") == 4
    assert "set-cookie" not in led


def test_without_an_article_the_paper_is_opened_at_its_front(client: TestClient) -> None:
    assert client.get("/read").headers["location"] == "http://localhost:8080"
