"""What every answer carries, and which forms are believed."""

import pytest
from fastapi.testclient import TestClient

from billing.settings import Settings
from billing.web.security import headers_for
from tests.support.pages import Page

OURS = "http://localhost:8000"
GIFT = {"appeal": "fighting-fund", "amount": "", "other": ""}


def test_every_kind_of_answer_carries_the_protective_headers(
    client: TestClient, settings: Settings
) -> None:
    expected = {name.lower(): value for name, value in headers_for(settings).items()}

    for path in ("/support", "/nowhere", "/", "/static/site.css", "/healthz"):
        headers = client.get(path).headers
        assert {name: headers.get(name) for name in expected} == expected, path


def test_an_answer_that_no_browser_shows_may_load_and_be_framed_by_nothing(
    client: TestClient,
) -> None:
    for path in ("check", "check?article=a", "auth?article=a", "front?article=a", "nowhere"):
        headers = client.get(f"/paywall/v1/{path}").headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_our_own_styles_and_pictures_and_nothing_else(
    settings: Settings,
) -> None:
    policy = headers_for(settings)["Content-Security-Policy"]

    directives = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
    stripe = settings.stripe_api_base
    assert directives == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "form-action": "'self' https://checkout.stripe.com https://billing.stripe.com"
        f" https://invoice.stripe.com {settings.paper_url} {stripe}",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_only_a_site_reached_by_https_demands_https_for_ever(settings: Settings) -> None:
    public = settings.model_copy(update={"public_url": "https://support.example"})

    assert "Strict-Transport-Security" not in headers_for(settings)
    assert headers_for(public)["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin", "origin": OURS}, 422),
        ({"sec-fetch-site": "none"}, 422),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.test"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://other.localhost"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": OURS}, 422),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({}, 422),  # no browser: nobody's cookies come along
    ],
)
def test_a_form_is_believed_only_from_our_own_pages(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/checkout/donation", data=GIFT, headers=headers)

    assert answer.status_code == status
    if status == 403:
        assert Page(answer.text).titles("h1") == ["That form did not come from this site"]


def test_stripe_is_judged_by_its_signature_and_not_by_where_it_comes_from(
    client: TestClient,
) -> None:
    answer = client.post(
        "/webhooks/stripe", content=b"{}", headers={"sec-fetch-site": "cross-site"}
    )

    assert answer.status_code == 400


def test_more_than_we_can_take_in_is_refused(client: TestClient) -> None:
    answer = client.post("/checkout/donation", data={"appeal": "x" * 2_000_000})

    assert answer.status_code in (400, 413)


def test_a_field_longer_than_any_of_ours_is_refused_with_a_page(client: TestClient) -> None:
    answer = client.post("/checkout/donation", data={**GIFT, "other": "9" * 500})

    assert answer.status_code == 422
    assert Page(answer.text).titles("h1") == ["We could not read that form"]
