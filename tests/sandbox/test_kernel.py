"""Idempotency, expand, paging, metadata, faults: what every operation has in common."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import stripe

from tests.sandbox.conftest import Local, client

BEARER = {"Authorization": "Bearer sk_test_x"}


def create(url: str, key: str, email: str = "ada@example.org") -> httpx2.Response:
    headers = BEARER | {"Idempotency-Key": key}
    return httpx2.post(f"{url}/v1/customers", data={"email": email}, headers=headers)


def test_the_same_key_replays_the_first_answer(local: Local, sandbox_url: str) -> None:
    first, second = create(sandbox_url, "k1"), create(sandbox_url, "k1")
    assert second.text == first.text
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert local.state()["counts"]["customer"] == 1


def test_the_same_key_with_other_params_is_refused(local: Local, sandbox_url: str) -> None:
    create(sandbox_url, "k1")
    answer = create(sandbox_url, "k1", email="bob@example.org")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "idempotency_error"


def test_a_request_that_fails_validation_is_not_kept(local: Local, sandbox_url: str) -> None:
    headers = BEARER | {"Idempotency-Key": "k1"}
    wrong = httpx2.post(f"{sandbox_url}/v1/customers", data={"emial": "x"}, headers=headers)
    assert wrong.status_code == 400
    assert create(sandbox_url, "k1").status_code == 200


def test_a_key_is_forgotten_after_a_day(local: Local, sandbox_url: str) -> None:
    first = create(sandbox_url, "k1").json()["id"]
    local.advance(days=1)
    assert create(sandbox_url, "k1").json()["id"] != first


def test_one_key_sent_at_once_many_times_acts_once(local: Local, sandbox_url: str) -> None:
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: create(sandbox_url, "k1"), range(16)))
    conflicts = [answer for answer in answers if answer.status_code != 200]
    assert {answer.json()["error"]["code"] for answer in conflicts} <= {"idempotency_key_in_use"}
    assert len({answer.json()["id"] for answer in answers if answer not in conflicts}) == 1
    assert local.state()["counts"]["customer"] == 1


def test_a_lost_answer_leaves_the_effect_and_the_sdk_finds_it_again(
    local: Local, sandbox_url: str
) -> None:
    local.post("fail_next", method="POST", path_prefix="/v1/customers", after_effect=True)
    customer = client(sandbox_url, max_network_retries=2).v1.customers.create({"name": "Ada"})
    assert customer.name == "Ada"
    assert local.state()["counts"]["customer"] == 1


def test_a_failure_before_the_effect_leaves_nothing(local: Local, api: Any) -> None:
    local.post("fail_next", method="POST", path_prefix="/v1/customers", status=429)
    with pytest.raises(stripe.RateLimitError):
        api.customers.create({"name": "Ada"})
    assert "customer" not in local.state()["counts"]


def test_expand_shows_whole_objects_through_lists_and_ids(
    api: Any, local: Local, gift: Any
) -> None:
    session = gift()
    local.pay(session)
    path = "payment_intent.latest_charge.balance_transaction"
    shown = api.checkout.sessions.retrieve(session.id, {"expand": [path]})
    assert shown.payment_intent.latest_charge.balance_transaction.fee == 58
    charges = api.charges.list({"expand": ["data.balance_transaction"]})
    assert charges.data[0].balance_transaction.net == 2442


def test_expand_is_refused_beyond_four_levels_counting_data(api: Any, subscribe: Any) -> None:
    subscribe()
    four = api.invoice_payments.list({"expand": ["data.payment.payment_intent.latest_charge"]})
    assert four.data[0].payment.payment_intent.latest_charge.amount == 500
    deep = "data.payment.payment_intent.latest_charge.balance_transaction"
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        api.invoice_payments.list({"expand": [deep]})


@pytest.mark.parametrize("path", ["email", "metadata.order", "nothing"])
def test_expand_is_refused_for_what_is_no_object(api: Any, path: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        api.customers.create({"email": "ada@example.org", "expand": [path]})


def test_a_list_nobody_has_made_is_named_when_it_is_expanded(api: Any) -> None:
    with pytest.raises(stripe.APIError, match="does not simulate expanding tax_ids"):
        api.customers.create({"email": "ada@example.org", "expand": ["tax_ids"]})


def test_what_may_be_absent_may_be_expanded(api: Any, local: Local, gift: Any) -> None:
    local.pay(gift())
    charge = api.charges.list().data[0].id
    params = {"charge": charge, "expand": ["failure_balance_transaction", "balance_transaction"]}
    refund = api.refunds.create(params)
    assert refund.balance_transaction.amount == -2500


def test_lists_are_newest_first_and_page_both_ways(api: Any) -> None:
    names = [f"reader {n}" for n in range(5)]
    for name in names:
        api.customers.create({"name": name})
    first = api.customers.list({"limit": 2})
    assert [c.name for c in first.data] == ["reader 4", "reader 3"]
    assert first.has_more
    second = api.customers.list({"limit": 2, "starting_after": first.data[-1].id})
    assert [c.name for c in second.data] == ["reader 2", "reader 1"]
    back = api.customers.list({"limit": 2, "ending_before": second.data[0].id})
    assert [c.name for c in back.data] == ["reader 4", "reader 3"]
    assert not back.has_more
    walked = [c.name for c in api.customers.list({"limit": 2}).auto_paging_iter()]
    assert walked == names[::-1]


def test_a_page_has_between_one_and_a_hundred(api: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        api.customers.list({"limit": 101})


def test_lists_are_narrowed_by_time_and_by_field(api: Any, local: Local) -> None:
    early = api.customers.create({"email": "ada@example.org"})
    local.advance(days=2)
    late = api.customers.create({"email": "bob@example.org"})
    since = api.customers.list({"created": {"gte": late.created}})
    assert [c.id for c in since.data] == [late.id]
    named = api.customers.list({"email": "ada@example.org"})
    assert [c.id for c in named.data] == [early.id]


def test_metadata_is_merged_and_unset_key_by_key(api: Any) -> None:
    customer = api.customers.create({"metadata": {"a": "1", "b": "2"}})
    customer = api.customers.update(customer.id, {"metadata": {"b": "", "c": "3"}})
    assert customer.metadata.to_dict() == {"a": "1", "c": "3"}
    assert api.customers.update(customer.id, {"metadata": ""}).metadata.to_dict() == {}


def test_a_number_may_be_a_key_of_metadata(api: Any) -> None:
    customer = api.customers.create({"metadata": {"2026": "yes"}})
    assert customer.metadata.to_dict() == {"2026": "yes"}


def test_a_lookup_key_names_one_price_and_moves_only_when_asked(api: Any) -> None:
    params = {"currency": "gbp", "unit_amount": 500, "lookup_key": "monthly"}
    old = api.prices.create(params | {"product_data": {"name": "Digital"}})
    renewed = params | {"product": old.product, "unit_amount": 600}
    with pytest.raises(stripe.InvalidRequestError, match="lookup key"):
        api.prices.create(renewed)
    new = api.prices.create(renewed | {"transfer_lookup_key": True})
    assert [p.id for p in api.prices.list({"lookup_keys": ["monthly"]}).data] == [new.id]


def test_a_deleted_customer_is_a_stub_and_in_no_list(api: Any) -> None:
    customer = api.customers.create({"email": "ada@example.org"})
    api.customers.delete(customer.id)
    assert api.customers.retrieve(customer.id).to_dict() == {
        "id": customer.id,
        "object": "customer",
        "deleted": True,
    }
    assert api.customers.list().data == []
