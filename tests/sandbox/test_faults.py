"""Each fault does just what its name says, seen through the SDK and through a bare connection."""

import json
import re
import time
from contextlib import suppress
from typing import Any

import httpx2
import pytest
import stripe

from sandbox.kernel.deliveries import MODES
from sandbox.kernel.faults import FAULTS
from sandbox.pages.control import LEVERS, SETTINGS
from tests.sandbox.conftest import ROOT, Local, client

BEARER = {"Authorization": "Bearer sk_test_x"}
NO_ANSWER_OF_STRIPES = ("dropped", "cut", "truncated", "html", "moved")


def order(local: Local, kind: str, **more: Any) -> None:
    local.post("fail_next", kind=kind, path_prefix="/v1/customers", **more)


def customers(local: Local) -> int:
    count: int = local.state()["counts"].get("customer", 0)
    return count


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_every_fault_ends_in_an_answer_or_an_error_the_sdk_knows_and_then_is_over(
    api: Any, local: Local, kind: str
) -> None:
    order(local, kind)
    with suppress(stripe.StripeError):
        api.customers.create({"name": "Ada"})
    assert api.customers.create({"name": "Bob"}).name == "Bob"


@pytest.mark.parametrize(
    "kind",
    ["error", "kept_error", "rate_limited", "lock_timeout_final", "locked", "dropped", "html"],
)
@pytest.mark.parametrize("after", [False, True])
def test_what_fails_before_the_effect_leaves_nothing_and_after_it_everything(
    api: Any, local: Local, kind: str, *, after: bool
) -> None:
    order(local, kind, after_effect=after)
    with pytest.raises(stripe.StripeError):
        api.customers.create({"name": "Ada"})
    assert customers(local) == int(after)


@pytest.mark.parametrize("kind", NO_ANSWER_OF_STRIPES)
def test_an_answer_lost_on_the_way_is_found_again_by_its_key(
    api: Any, local: Local, kind: str
) -> None:
    order(local, kind, after_effect=True)
    with pytest.raises(stripe.StripeError):
        api.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
    assert api.customers.create({"name": "Ada"}, {"idempotency_key": "one"}).name == "Ada"
    assert customers(local) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_kept_error_is_the_answer_of_its_key_for_a_day(
    api: Any, local: Local, *, after: bool
) -> None:
    order(local, "kept_error", after_effect=after)

    def create() -> httpx2.Response:
        headers = BEARER | {"Idempotency-Key": "one"}
        return httpx2.post(f"{local.url}/v1/customers", headers=headers, data={"name": "Ada"})

    first, again = create(), create()
    assert [first.status_code, again.status_code] == [500, 500]
    assert again.text == first.text
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert customers(local) == int(after)
    local.advance(days=1)
    assert create().status_code == 200


def test_the_sdk_tries_a_locked_object_again_only_where_it_is_told_to(local: Local) -> None:
    patient = client(local.url, max_network_retries=2).v1
    order(local, "lock_timeout")
    assert patient.customers.create({"name": "Ada"}).name == "Ada"
    order(local, "lock_timeout_final")
    with pytest.raises(stripe.RateLimitError) as caught:
        patient.customers.create({"name": "Ada"})
    assert caught.value.error is not None
    assert (caught.value.http_status, caught.value.error.code) == (429, "lock_timeout")
    order(local, "rate_limited")
    with pytest.raises(stripe.RateLimitError):
        patient.customers.create({"name": "Ada"})
    assert customers(local) == 1


def test_a_key_in_use_is_tried_again_by_the_sdk(local: Local) -> None:
    order(local, "key_in_use")
    patient = client(local.url, max_network_retries=1).v1
    assert patient.customers.create({"name": "Ada"}).name == "Ada"


def test_a_dropped_connection_has_no_answer_and_a_cut_one_half(api: Any, local: Local) -> None:
    order(local, "dropped")
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(f"{local.url}/v1/customers", headers=BEARER)
    order(local, "cut")
    with httpx2.stream("POST", f"{local.url}/v1/customers", headers=BEARER) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        half = next(pieces)
        with pytest.raises(httpx2.RemoteProtocolError):
            next(pieces)
    assert half.startswith(b"{")
    assert len(half) < int(answer.headers["content-length"])


def test_a_truncated_answer_is_whole_to_http_and_no_json(local: Local) -> None:
    order(local, "truncated")
    answer = httpx2.post(f"{local.url}/v1/customers", headers=BEARER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_drip_takes_its_time_and_is_right_in_the_end(api: Any, local: Local) -> None:
    order(local, "drip", delay=0.3)
    started = time.monotonic()
    assert api.customers.create({"name": "Ada"}).name == "Ada"
    assert time.monotonic() - started > 0.25


def test_a_move_leads_to_a_page_that_is_no_object_of_stripes(local: Local) -> None:
    order(local, "moved")
    answer = httpx2.post(f"{local.url}/v1/customers", headers=BEARER)
    assert (answer.status_code, answer.headers["location"]) == (301, "/")


def test_a_fault_nobody_has_named_is_refused(local: Local) -> None:
    answer = local.http.post(f"{local.url}/_sandbox/fail_next", json={"kind": "gremlins"})
    assert answer.status_code == 400
    assert "kept_error" in answer.text


def test_the_readme_names_every_lever_fault_mode_and_setting() -> None:
    said = set(re.findall(r"`([^`\n]+)`", (ROOT / "sandbox" / "README.md").read_text()))
    assert {*LEVERS, *FAULTS, *MODES, *SETTINGS} - said == set()


def test_a_reset_is_quick_enough_to_be_called_thousands_of_times(api: Any, local: Local) -> None:
    took = []
    for _ in range(20):
        api.customers.create({"name": "Ada"})
        started = time.perf_counter()
        local.post("reset")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.010
