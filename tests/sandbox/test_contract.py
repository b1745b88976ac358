"""Nothing is ignored in silence: what Stripe would refuse is refused, what we lack is named."""

import subprocess
import sys
from typing import Any

import httpx2
import pytest
import stripe

from tests.sandbox.conftest import ROOT, Local, client


def refused(call: Any, *args: Any) -> Any:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args)
    return caught.value


def test_a_parameter_stripe_does_not_know_is_refused_by_name(api: Any) -> None:
    error = refused(api.customers.create, {"emial": "ada@example.org"})
    assert (error.http_status, error.code, error.param) == (400, "parameter_unknown", "emial")


def test_a_nested_parameter_stripe_does_not_know_is_refused_in_bracket_form(api: Any) -> None:
    lines = [{"price_data": {"currency": "gbp", "product_data": {"title": "x"}}}]
    error = refused(api.checkout.sessions.create, {"mode": "payment", "line_items": lines})
    assert error.code in {"parameter_unknown", "parameter_missing"}
    assert error.param.startswith("line_items[0][price_data][product_data]")


def test_a_value_of_the_wrong_type_is_refused(api: Any) -> None:
    error = refused(api.customers.list, {"limit": "many"})
    assert (error.code, error.param) == ("parameter_invalid_integer", "limit")


def test_a_word_outside_its_set_is_refused_with_the_set(api: Any) -> None:
    error = refused(api.checkout.sessions.create, {"mode": "gift"})
    assert error.param == "mode"
    assert "payment" in str(error)
    assert "subscription" in str(error)


def test_what_was_removed_in_this_api_version_is_unknown(gift: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        gift(payment_method_types=["card"])
    assert caught.value.code == "parameter_unknown"


def test_an_operation_that_is_not_simulated_answers_501_and_its_name(api: Any) -> None:
    vat = {"display_name": "VAT", "inclusive": True, "percentage": 20}
    error = refused(api.tax_rates.create, vat)
    assert error.http_status == 501
    assert "POST /v1/tax_rates" in str(error)


def test_a_parameter_that_is_not_simulated_answers_501_and_its_name(gift: Any) -> None:
    error = refused(lambda: gift(automatic_tax={"enabled": True}))
    assert error.http_status == 501
    assert "automatic_tax" in str(error)


def test_a_501_is_not_tried_again_by_the_sdk(local: Local, sandbox_url: str) -> None:
    answer = httpx2.post(
        f"{sandbox_url}/v1/tax_rates",
        headers={"Authorization": "Bearer sk_test_x"},
        data={"display_name": "VAT", "inclusive": "true", "percentage": "20"},
    )
    assert answer.headers["Stripe-Should-Retry"] == "false"


def test_an_address_stripe_does_not_have_is_a_404(sandbox_url: str) -> None:
    answer = httpx2.get(f"{sandbox_url}/v1/readers", headers={"Authorization": "Bearer sk_test_x"})
    assert answer.status_code == 404
    assert "Unrecognized request URL" in answer.json()["error"]["message"]


def test_a_missing_object_is_resource_missing(api: Any) -> None:
    error = refused(api.customers.retrieve, "cus_nobody")
    assert (error.http_status, error.code) == (404, "resource_missing")


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc"])
def test_a_live_key_is_refused(sandbox_url: str, key: str) -> None:
    error = refused(client(sandbox_url, key).v1.customers.list)
    assert error.http_status == 401
    assert "LIVE" in str(error)


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic c2tfdGVzdF94Og=="])
def test_what_is_no_test_key_is_refused(sandbox_url: str, header: str) -> None:
    answer = httpx2.get(f"{sandbox_url}/v1/balance", headers={"Authorization": header})
    assert (answer.status_code, "sk_test_" in answer.text) == (401, True)


def test_another_api_version_is_refused(sandbox_url: str) -> None:
    other = client(sandbox_url, stripe_version="2025-03-31.basil")
    assert refused(other.v1.customers.list).http_status == 400


def test_only_one_address_of_this_machine_is_listened_on(sandbox_url: str) -> None:
    port = sandbox_url.rsplit(":", 1)[1]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.2:{port}/")


def test_a_taken_port_is_one_clear_sentence(tmp_path: Any, sandbox_url: str) -> None:
    port = sandbox_url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "sandbox", "--data", str(tmp_path), "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == (
        f"Port {port} is taken: stop what uses it, or choose another with --port.\n"
    )
