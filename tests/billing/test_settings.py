"""Unsafe settings are named, each with its cure; safe ones are not complained of."""

import pytest
from pydantic import SecretStr

from billing.db import Database
from billing.errors import ConfigurationError
from billing.settings import STRIPE_API, Settings, Society, load
from billing.stripe_gateway.client import Gateway

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


@pytest.mark.parametrize(
    "written", ["whsec_a,whsec_b", " whsec_a , whsec_b ", '["whsec_a", "whsec_b"]']
)
def test_signing_secrets_are_read_with_commas_or_as_a_list(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("BILLING_STRIPE_WEBHOOK_SECRETS", written)

    secrets = [secret.get_secret_value() for secret in load().stripe_webhook_secrets]

    assert secrets == ["whsec_a", "whsec_b"]


def test_a_list_that_cannot_be_read_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BILLING_TRUSTED_PROXIES", "10.0.0.1")

    with pytest.raises(ConfigurationError, match="trusted_proxies") as raised:
        load()

    assert "10.0.0.1" not in str(raised.value)


def test_a_live_key_is_never_sent_to_anybody_but_stripe() -> None:
    elsewhere = Settings(**{**SAFE, "stripe_api_base": "http://127.0.0.1:9"})  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match="BILLING_STRIPE_API_BASE"):
        Gateway(elsewhere)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x", "oracle://x/y"])
def test_an_address_of_no_database_we_know_is_refused_with_how_to_write_one(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BILLING_DATABASE_URL: write it like"):
        Database(url)


def test_the_short_name_hosts_give_postgresql_is_understood() -> None:
    assert Database("postgres://user@host/name").url.get_backend_name() == "postgresql"
