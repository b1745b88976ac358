"""What counts as signed by Stripe, and what does not."""

import pytest
from pydantic import SecretStr
from stripe import WebhookSignature

from billing.errors import ConfigurationError
from billing.settings import Settings
from webhooks.signature import (
    FromTheFutureError,
    SignatureError,
    check,
    secrets_of,
    sign,
    signers,
)

OLD, NEW = b"whsec_old", b"whsec_new"
BODY = b'{"id": "evt_1"}'
NOW = 1_763_892_000


def mac(header: bytes) -> bytes:
    return header.partition(b",v1=")[2]


def refused(header: bytes, *, body: bytes = BODY, secrets: tuple[bytes, ...] = (OLD, NEW)) -> str:
    with pytest.raises(SignatureError) as error:
        check(header, body, secrets=secrets, now=NOW)
    return str(error.value)


def test_what_stripes_own_sdk_signs_is_accepted() -> None:
    header = WebhookSignature.generate_signature_header(BODY.decode(), OLD.decode(), NOW)

    check(header.encode(), BODY, secrets=(OLD,), now=NOW)


def test_what_we_sign_stripes_own_sdk_accepts() -> None:
    header = sign(BODY, secret=OLD, at=NOW).decode()

    assert WebhookSignature.verify_header(BODY.decode(), header, OLD.decode())


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_of_two_secrets_will_do_while_one_is_replaced(secret: bytes) -> None:
    check(sign(BODY, secret=secret, at=NOW), BODY, secrets=(OLD, NEW), now=NOW)


def test_one_good_signature_among_several_will_do() -> None:
    good = sign(BODY, secret=NEW, at=NOW)
    header = good.replace(b",v1=", b",v1=" + b"0" * 64 + b",v0=" + b"1" * 64 + b", v1=")

    check(header, BODY, secrets=(NEW,), now=NOW)


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_five_minutes_either_way_are_forgiven(seconds: int) -> None:
    check(sign(BODY, secret=OLD, at=NOW + seconds), BODY, secrets=(OLD,), now=NOW)


def test_an_older_signature_is_refused() -> None:
    assert refused(sign(BODY, secret=OLD, at=NOW - 301)) == "the signature is too old"


def test_a_signature_from_the_future_is_refused_as_such() -> None:
    with pytest.raises(FromTheFutureError, match=r"^the signature is from the future$"):
        check(sign(BODY, secret=OLD, at=NOW + 301), BODY, secrets=(OLD,), now=NOW)


def test_a_stranger_cannot_make_us_doubt_our_clock() -> None:
    assert refused(sign(BODY, secret=b"stranger", at=NOW + 9999)) == "no signature matches"


def test_a_body_written_again_no_longer_matches() -> None:
    header = sign(BODY, secret=OLD, at=NOW)

    assert refused(header, body=BODY.replace(b" ", b"")) == "no signature matches"


def test_another_time_than_the_signed_one_does_not_match() -> None:
    header = sign(BODY, secret=OLD, at=NOW - 9999)

    assert refused(header.replace(b"%d" % (NOW - 9999), b"%d" % NOW)) == "no signature matches"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b",",
        b"=",
        b"t",
        b"t=",
        b"t=abc,v1=00",
        b"t=-5,v1=00",
        b"t=" + b"9" * 5000 + b",v1=00",
        b"t=1,t=2,v1=00",
        b"v1=" + b"0" * 64,
    ],
)
def test_a_header_without_one_plain_time_is_no_signature(header: bytes) -> None:
    assert refused(header) == "no signature"


@pytest.mark.parametrize("given", [b"", b"v1=", b"v1=\xe9\xff", b"v1=" + "é".encode(), b"v0=00"])
def test_bytes_that_are_no_signature_are_refused_and_nothing_worse(given: bytes) -> None:
    assert refused(b"t=%d,%s" % (NOW, given)) == "no signature matches"


def test_another_scheme_is_not_taken_for_ours() -> None:
    good = sign(BODY, secret=OLD, at=NOW)

    assert refused(good.replace(b"v1=", b"v0=")) == "no signature matches"


def test_nobody_can_sign_with_an_empty_secret() -> None:
    assert refused(sign(BODY, secret=b"", at=NOW), secrets=(b"",)) == "no signature matches"
    assert refused(sign(BODY, secret=b"", at=NOW), secrets=()) == "no signature matches"


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_secret_among_the_settings_is_refused(empty: str) -> None:
    settings = Settings(stripe_webhook_secrets=(SecretStr("whsec_1"), SecretStr(empty)))

    with pytest.raises(ConfigurationError, match=r"^BILLING_STRIPE_WEBHOOK_SECRETS: an empty "):
        secrets_of(settings)


def test_a_line_end_copied_with_a_secret_is_not_part_of_it() -> None:
    settings = Settings(stripe_webhook_secrets=(SecretStr("whsec_1\n"),))

    assert secrets_of(settings) == (b"whsec_1",)


def test_the_signature_is_compared_whole() -> None:
    good = sign(BODY, secret=OLD, at=NOW)

    assert refused(good[:-1]) == "no signature matches"
    assert refused(good + b"0") == "no signature matches"
    assert len(mac(good)) == 64


def test_whoever_signed_is_found_at_any_time() -> None:
    old, new = (sign(BODY, secret=secret, at=1) for secret in (OLD, NEW))

    assert signers(old, BODY, [OLD, NEW]) == {OLD}
    assert signers(old + b"," + new.partition(b",")[2], BODY, [OLD, NEW]) == {OLD, NEW}
    assert signers(old, BODY + b" ", [OLD, NEW]) == set()
    assert signers(b"no header", BODY, [OLD, NEW]) == set()
