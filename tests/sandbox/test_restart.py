"""A restart keeps everything; the console shows it."""

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from tests.sandbox.conftest import Local, client, running


def test_a_restart_keeps_objects_time_jobs_and_undelivered_events(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    options = ("--data", str(tmp_path / "data"), "--clock-file", str(clock))
    with httpx2.Client(timeout=30) as http:
        with running(*options, "--start-days-ago", "30") as url:
            local, api = Local(url, http), cast("Any", client(url).v1)
            assert clock.read_text() == f"{-30 * 86400}\n"
            local.post("deliveries", mode="hold")
            nowhere = {"url": "http://127.0.0.1:9/hooks", "enabled_events": ["*"]}
            api.webhook_endpoints.create(nowhere)
            price = {"currency": "gbp", "unit_amount": 900, "product_data": {"name": "Gift"}}
            session = api.checkout.sessions.create(
                {
                    "mode": "payment",
                    "line_items": [{"price_data": price}],
                    "success_url": "http://paper.test/",
                }
            )
            local.advance(seconds=3600)
            before = local.state()
            assert clock.read_text() == f"{-30 * 86400 + 3600}\n"
        clock.unlink()
        with running(*options) as url:
            local, api = Local(url, http), cast("Any", client(url).v1)
            after = local.state()
            assert after["counts"] == before["counts"]
            assert after["deliveries"] == before["deliveries"]
            assert after["deliveries"]["held"] == 2
            assert clock.read_text() == f"{-30 * 86400 + 3600}\n"
            local.advance(days=1)
            assert api.checkout.sessions.retrieve(session.id).status == "expired"


def test_the_console_shows_events_and_moves_time(api: Any, local: Local) -> None:
    customer = api.customers.create({"name": "Ada"})
    page = local.http.get(f"{local.url}/").text
    assert "customer.created" in page
    assert customer.id[:24] in page
    before = local.state()["now"]
    moved = local.http.post(f"{local.url}/_sandbox/advance", data={"days": "1"})
    assert moved.status_code == 303
    assert local.state()["now"] >= before + 86400


def test_the_console_moves_money_and_says_what_only_it_can_tell(
    api: Any, local: Local, gift: Any
) -> None:
    local.pay(gift())
    charge = api.charges.list().data[0]
    page = local.http.get(f"{local.url}/").text
    assert f'name="charge" value="{charge.id}"' in page
    local.http.post(f"{local.url}/_sandbox/disputes/open", data={"charge": charge.id})
    dispute = api.disputes.list().data[0]
    page = local.http.get(f"{local.url}/").text
    assert f'aria-label="under_review {dispute.id}"' in page
    endpoint = api.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/", "enabled_events": ["charge.failed"]}
    )
    path = f"{local.url}/_sandbox/webhook_endpoints/{endpoint.id}/roll"
    answer = local.http.post(path, data={"hours": "1"})
    assert "whsec_" in local.http.get(local.url + answer.headers["location"]).text


def test_a_reset_is_an_empty_account_at_its_first_time(api: Any, local: Local) -> None:
    api.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/", "enabled_events": ["charge.failed"]}
    )
    api.customers.create({"name": "Ada"})
    local.advance(days=3)
    state = local.post("reset", keep_endpoints=True)
    assert (state["offset"], state["counts"]) == (0, {"webhook_endpoint": 1})
    assert local.post("reset")["counts"] == {}


@pytest.mark.slow
def test_what_could_not_be_delivered_survives_a_kill(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_address[1]
    hook = {"url": f"http://127.0.0.1:{port}/hooks", "enabled_events": ["*"]}
    with running(*options, end=signal.SIGKILL) as url:
        api = cast("Any", client(url).v1)
        api.webhook_endpoints.create(hook)
        customer = api.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
    heard: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with (
        ThreadingHTTPServer(("127.0.0.1", port), Handler) as server,
        running(*options) as url,
        httpx2.Client(timeout=30) as http,
    ):
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        assert Local(url, http).post("deliveries/wait", timeout=20)["deliveries"]["pending"] == 0
        api = cast("Any", client(url).v1)
        again = api.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
        server.shutdown()
    assert again.id == customer.id
    assert [event["data"]["object"]["id"] for event in heard] == [customer.id]
