"""Events in the words of older API versions only say what to look at, and that is read anew."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from billing.context import Context
from sandbox.kernel.versions import OLDER, THIN
from tests.billing.reconciliation.test_whoever_hears_first import ONE_OF_EACH, held, pay
from tests.support.stripe import LocalStripe


@contextmanager
def an_endpoint(stripe: LocalStripe) -> Iterator[list[dict[str, Any]]]:
    """Let Stripe deliver to somebody who only keeps what comes."""
    came: list[dict[str, Any]] = []

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Keep) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        stripe.client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        try:
            yield came
        finally:
            server.shutdown()
            thread.join()


def of(event: dict[str, Any]) -> dict[str, Any]:
    """Return the object as the event shows it; a thin one does not."""
    shown: dict[str, Any] = event.get("data", {}).get("object", {})
    return shown


@pytest.mark.slow
def test_whatever_api_version_wrote_the_events_what_we_hold_in_the_end_is_the_same(
    context: Context, stripe: LocalStripe
) -> None:
    shapes = set()
    with an_endpoint(stripe) as came:
        for version in OLDER:
            stripe.control("deliveries", version=version)
            came.clear()
            paid = pay(context, stripe)
            stripe.control("deliveries/wait", timeout=20)
            told = {event["id"] for event in paid.said}
            paid.said = [event for event in came if event["id"] in told]
            bill = next(e for e in paid.said if e["type"].endswith("invoice.paid"))
            shapes.add(tuple(n for n in ("parent", "subscription") if n in of(bill)))

            paid.hear()

            assert {event.get("api_version", THIN) for event in paid.said} == {version}
            assert held(context, paid) == ONE_OF_EACH, version
    assert shapes == {("subscription",), ("parent",), ()}  # until 2025, since, and not at all
