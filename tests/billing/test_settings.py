"""Unsafe settings are named, each with its cure; safe ones are not complained of."""

import pytest
from pydantic import SecretStr

from billing.settings import STRIPE_API, Settings, Society

SAFE = {
    "public_url": "https://support.example",
    "secret_key": SecretStr("s" * 48),
    "stripe_key": SecretStr("rk_live_x"),
    "stripe_webhook_secrets": (SecretStr("whsec_x"),),
    "society": Society(vat_number="GB 987 6543 21", phone="020 8510 0815"),
}


def named(**changes: object) -> list[str]:
    return [problem.setting for problem in Settings(**{**SAFE, **changes}).problems()]  # type: ignore[arg-type]


def test_a_live_deployment_with_everything_set_has_no_problem() -> None:
    assert named() == []


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"secret_key": SecretStr("placeholder")}, "BILLING_SECRET_KEY"),
        ({"stripe_key": SecretStr("pk_live_x")}, "BILLING_STRIPE_KEY"),
        ({"stripe_webhook_secrets": ()}, "BILLING_STRIPE_WEBHOOK_SECRETS"),
        ({"stripe_webhook_secrets": (SecretStr(" "),)}, "BILLING_STRIPE_WEBHOOK_SECRETS"),
        ({"stripe_api_base": "http://localhost:8420"}, "BILLING_STRIPE_API_BASE"),
        ({"clock_offset_file": "var/clock"}, "BILLING_CLOCK_OFFSET_FILE"),
        ({"public_url": "http://localhost:8000"}, "BILLING_PUBLIC_URL"),
        ({"society": Society(phone="020 8510 0815")}, "BILLING_SOCIETY__VAT_NUMBER"),
        (
            {"society": Society(vat_number="GB 123456789", phone="020 8510 0815")},
            "BILLING_SOCIETY__VAT_NUMBER",
        ),
        ({"society": Society(vat_number="GB 987 6543 21")}, "BILLING_SOCIETY__PHONE"),
    ],
)
def test_what_is_unsafe_with_a_live_key_is_named(changes: dict[str, object], setting: str) -> None:
    assert named(**changes) == [setting]


def test_a_public_host_is_reached_by_https_even_in_test_mode() -> None:
    test_mode = {"stripe_key": SecretStr("sk_test_x")}
    assert named(**test_mode, public_url="http://support.example") == ["BILLING_PUBLIC_URL"]
    assert named(**test_mode, public_url="http://localhost:8000") == []


def test_with_a_test_key_the_local_stripe_and_its_clock_may_be_followed() -> None:
    local = {"stripe_api_base": "http://localhost:8420", "clock_offset_file": "var/clock"}
    assert local["stripe_api_base"] != STRIPE_API
    assert named(stripe_key=SecretStr("sk_test_x"), **local) == []


def test_no_secret_is_shown_when_the_settings_are_printed() -> None:
    shown = repr(Settings(**{**SAFE, "database_url": "postgresql://u:hidden@h/d"}))  # type: ignore[arg-type]
    for secret in ("hidden", "s" * 48, "rk_live_x", "whsec_x"):
        assert secret not in shown
