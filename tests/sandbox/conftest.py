"""The sandbox as a process of its own, met as the product meets Stripe: by the SDK over HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

ROOT = Path(__file__).parents[2]
CARD = "4242424242424242"
DECLINED = "4000000000000002"
FAILS_LATER = "4000000000000341"


@contextmanager
def running(*options: str, end: int = signal.SIGTERM) -> Iterator[str]:
    """Run a sandbox for as long as the block lasts; yield its address."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line.startswith("sandbox ready http://localhost:"), line
            yield line.split()[-1]
        finally:
            process.send_signal(end)


def client(url: str, key: str = "sk_test_sandbox", **options: Any) -> stripe.StripeClient:
    """Return the SDK's client, pointed at a sandbox."""
    stripe.enable_telemetry = False
    return stripe.StripeClient(key, base_addresses={"api": url}, **options)


@dataclass
class Local:
    """The sandbox's own levers, and a payer's browser."""

    url: str
    http: httpx2.Client

    def post(self, path: str, **given: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.url}/_sandbox/{path}", json=given)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def state(self) -> dict[str, Any]:
        result: dict[str, Any] = self.http.get(f"{self.url}/_sandbox/state").json()
        return result

    def advance(self, **given: int) -> dict[str, Any]:
        return self.post("advance", **given)

    def pay(self, session: Any, card: str = CARD, **fields: str) -> httpx2.Response:
        form = {"email": "ada@example.org", "number": card, "expiry": "12 / 40", "cvc": "123"}
        return self.http.post(session.url, data=form | {"name": "Ada L"} | fields)


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running("--data", str(tmp_path_factory.mktemp("sandbox"))) as url:
        yield url


@pytest.fixture(scope="session")
def _http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30) as http:
        yield http


@pytest.fixture
def local(sandbox_url: str, _http: httpx2.Client) -> Local:
    local = Local(sandbox_url, _http)
    local.post("reset")
    return local


@pytest.fixture(scope="session")
def _api(sandbox_url: str) -> stripe.StripeClient:
    return client(sandbox_url)


@pytest.fixture
def api(_api: stripe.StripeClient, local: Local) -> Any:
    """The SDK on an empty account."""
    return _api.v1


@pytest.fixture
def gift(api: Any) -> Callable[..., Any]:
    """Open a payment page for a gift."""

    def open_page(amount: int = 2500, **more: Any) -> Any:
        price = {"currency": "gbp", "unit_amount": amount, "product_data": {"name": "Appeal"}}
        params = {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": "http://paper.test/thanks?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://paper.test/support",
        }
        return api.checkout.sessions.create(params | more)

    return open_page


@pytest.fixture
def subscribe(api: Any, local: Local) -> Callable[..., Any]:
    """Take out a subscription through its payment page."""

    def take_out(card: str = CARD, interval: str = "month", **more: Any) -> Any:
        price = api.prices.create(
            {
                "currency": "gbp",
                "unit_amount": 500,
                "recurring": {"interval": interval},
                "product_data": {"name": "Digital"},
            }
        )
        params = {
            "mode": "subscription",
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": "http://paper.test/welcome",
        }
        session = api.checkout.sessions.create(params | more)
        assert local.pay(session, card).status_code == 303
        return api.subscriptions.retrieve(api.checkout.sessions.retrieve(session.id).subscription)

    return take_out


def price(api: Any, amount: int, interval: str = "month") -> str:
    """Offer something at so many pence a period."""
    product = api.products.create({"name": f"Paper {amount}"}).id
    recurring = {"interval": interval}
    fields = {"currency": "gbp", "unit_amount": amount, "recurring": recurring, "product": product}
    ident: str = api.prices.create(fields).id
    return ident


@pytest.fixture
def begin(api: Any, subscribe: Callable[..., Any]) -> Callable[..., Any]:
    """Begin a subscription by the API, for a customer with a card (or, with None, without one)."""

    def begin(card: str | None = CARD, **more: Any) -> Any:
        if card is None:
            customer: Any = {"customer": api.customers.create({"name": "Ada"}).id}
        else:
            paid = subscribe(card)
            api.subscriptions.cancel(paid.id)
            customer = {"customer": paid.customer}
            customer["default_payment_method"] = paid.default_payment_method
        items = {"items": [{"price": price(api, 1000)}]}
        return api.subscriptions.create(customer | items | more)

    return begin


@dataclass
class Inbox:
    """A product's webhook endpoint: what came, in order; it can be told to fail."""

    url: str = ""
    secret: str = ""
    failures: int = 0
    headers: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)

    def types(self) -> list[str]:
        return [event.type for event in self.received]


@pytest.fixture
def inbox(api: Any, local: Local) -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = 200
            if inbox.failures:
                inbox.failures -= 1
                status = 500
            else:
                header = self.headers["Stripe-Signature"]
                inbox.headers.append(header)
                inbox.bodies.append(json.loads(body))
                try:
                    stripe.WebhookSignature.verify_header(body.decode(), header, inbox.secret)
                    if inbox.bodies[-1]["object"] == "event":  # the SDK reads thin ones elsewhere
                        event = stripe.Webhook.construct_event(body, header, inbox.secret)
                        inbox.received.append(event)
                except stripe.SignatureVerificationError:
                    status = 400
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks"
    endpoint = api.webhook_endpoints.create({"url": inbox.url, "enabled_events": ["*"]})
    inbox.secret = endpoint.secret
    yield inbox
    local.post("reset")
    server.shutdown()
    thread.join()
    server.server_close()


os.environ.setdefault("STRIPE_SUPPRESS_NOTICES", "1")
