"""A doctor names each illness at Stripe and at the mail server, and its cure."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from billing.context import Context
from billing.settings import Mail
from service import checks
from tests.support.ports import free_port
from tests.support.stripe import LocalStripe
from webhooks.dispatch import TYPES
from webhooks.router import PATH


def says(found: Any) -> list[tuple[str, bool, str]]:
    return [(each.about, each.fine, each.says) for each in found]


@contextmanager
def a_clock(status: int, *, ahead: int = 0, told: bool = True) -> Iterator[str]:
    """Answer whoever asks with a `Date` that is so many seconds ahead of ours, or with none."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            self.send_response_only(status)
            if told:
                self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def clock_at(context: Context, address: str) -> tuple[bool, str]:
    there = context.settings.model_copy(update={"stripe_api_base": address})
    (found,) = checks.clock_agrees(there)
    return found.fine, found.says


def register(context: Context, stripe: LocalStripe, **changed: Any) -> str:
    url = context.settings.public_url.rstrip("/") + PATH
    params: Any = {"url": url, "enabled_events": list(TYPES), **changed}
    return stripe.client.v1.webhook_endpoints.create(params).id


def test_what_a_restricted_key_may_not_read_is_named(context: Context, stripe: LocalStripe) -> None:
    register(context, stripe)
    for path in ("/v1/payouts", "/v1/refunds", "/v1/mandates/", "/v1/subscription_items"):
        not_let = {"kind": "error", "status": 403, "path_prefix": path}
        stripe.control("fail_next", method="GET", **not_let)

    found = says(checks.stripe_answers(context.settings))

    lacking = ("mandates", "payouts", "refunds", "subscription items")
    assert found[0] == ("Stripe", True, "takes our key, in test mode")
    assert found[1] == (
        "Stripe",
        False,
        f"our key may not read {', '.join(lacking)}; let it, in Stripe under API keys",
    )


def test_two_endpoints_of_one_address_are_an_illness_and_an_older_version_is_none(
    context: Context, stripe: LocalStripe
) -> None:
    register(context, stripe, api_version="2020-08-27")
    second = register(context, stripe, api_version="2020-08-27")

    found = [each for each in says(checks.stripe_answers(context.settings)) if each[0] == "webhook"]

    assert "every event comes 2 times; delete we_" in found[0][2]
    assert [fine for _, fine, _ in found] == [False, True, True]
    assert found[1][2].startswith("sends events of 2020-08-27, which does no harm")
    stripe.client.v1.webhook_endpoints.delete(second)
    left = says(checks.stripe_answers(context.settings))
    assert [fine for _, fine, _ in left] == [True, True, True]


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_a_mail_server_that_does_not_know_us_is_an_illness(context: Context, password: str) -> None:
    def authenticate(
        server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        known = (data.login, data.password) == (b"star", b"right")
        return AuthResult(success=known, handled=False)

    port = free_port()
    settings: Any = {"authenticator": authenticate, "auth_require_tls": False}
    server = Controller(object(), hostname="127.0.0.1", port=port, **settings)
    server.start()
    mail = Mail(host="127.0.0.1", port=port, user="star", password=SecretStr(password))
    try:
        (found,) = checks.mail_server_answers(context.settings.model_copy(update={"mail": mail}))
    finally:
        server.stop()

    assert found.fine is (password == "right")
    assert ("correct BILLING_MAIL__USER" in found.says) is (password == "wrong")


@pytest.mark.parametrize("status", [200, 404])  # Stripe's front page is no page
def test_a_clock_ten_minutes_from_stripes_either_way_is_an_illness(
    context: Context, status: int
) -> None:
    for ahead in (600, -600):
        with a_clock(status, ahead=ahead) as address:
            fine, said = clock_at(context, address)

        assert not fine
        assert re.fullmatch(r"(599|60[01]) seconds from Stripe's; set this machine's clock", said)


@pytest.mark.parametrize("status", [200, 404])
def test_a_clock_that_agrees_with_stripes_is_none(context: Context, status: int) -> None:
    with a_clock(status) as address:
        fine, said = clock_at(context, address)

    assert fine
    assert re.fullmatch(r"(0 seconds|1 second) from Stripe's", said)


def test_a_clock_that_nobody_answers_for_is_not_compared_and_is_no_illness(
    context: Context,
) -> None:
    not_compared = (True, "not compared: Stripe did not say what time it is")

    assert clock_at(context, f"http://127.0.0.1:{free_port()}") == not_compared
    with a_clock(200, told=False) as address:
        assert clock_at(context, address) == not_compared
