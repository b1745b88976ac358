"""Events reach their endpoint: signed, retried, and as unreliably as one asks for."""

import json
from collections import Counter
from typing import Any

import pytest
import stripe

from sandbox.kernel.versions import OLDER
from tests.sandbox.conftest import Inbox, Local


def test_what_happens_is_delivered_signed_in_stripes_shape(
    api: Any, local: Local, inbox: Inbox
) -> None:
    customer = api.customers.create({"name": "Ada"}, {"idempotency_key": "mine"})
    api.customers.update(customer.id, {"name": "Ada Lovelace"})
    local.post("deliveries/wait", timeout=5)
    created, updated = inbox.received  # each passed the SDK's own verifier
    assert (created.type, created.data.object.id) == ("customer.created", customer.id)
    assert created.request.idempotency_key == "mine"
    assert (created.api_version, created.livemode) == ("2026-10-28.endive", False)
    assert updated.data.previous_attributes.to_dict() == {"name": "Ada"}
    assert api.events.retrieve(created.id).pending_webhooks == 0


def test_an_endpoint_gets_only_what_it_asked_for(api: Any, local: Local, inbox: Inbox) -> None:
    endpoint = api.webhook_endpoints.list().data[0]
    assert "secret" not in endpoint
    api.webhook_endpoints.update(endpoint.id, {"enabled_events": ["customer.deleted"]})
    customer = api.customers.create({"name": "Ada"})
    api.customers.delete(customer.id)
    local.post("deliveries/wait", timeout=5)
    assert inbox.types() == ["customer.deleted"]


def test_a_refused_delivery_is_tried_again(api: Any, local: Local, inbox: Inbox) -> None:
    inbox.failures = 1
    api.customers.create({"name": "Ada"})
    assert local.post("deliveries/wait", timeout=0.3)["deliveries"]["pending"] == 1
    assert api.events.list().data[0].pending_webhooks == 1
    assert local.post("deliveries/wait", timeout=5)["deliveries"]["pending"] == 0
    assert inbox.types() == ["customer.created"]
    assert api.events.list().data[0].pending_webhooks == 0


def test_dropped_events_never_come_and_can_still_be_listed_and_resent(
    api: Any, local: Local, inbox: Inbox
) -> None:
    local.post("deliveries", mode="drop")
    api.customers.create({"name": "Ada"})
    local.post("deliveries/wait", timeout=5)
    assert inbox.received == []
    event = api.events.list({"types": ["customer.created"]}).data[0]
    local.post(f"events/{event.id}/resend")
    local.post("deliveries/wait", timeout=5)
    assert [e.id for e in inbox.received] == [event.id]


def test_duplicates_come_twice_with_one_id(api: Any, local: Local, inbox: Inbox) -> None:
    local.post("deliveries", mode="duplicate")
    api.customers.create({"name": "Ada"})
    local.post("deliveries/wait", timeout=5)
    assert list(Counter(e.id for e in inbox.received).values()) == [2]


def test_an_event_waits_for_each_endpoint_however_often_one_has_heard_it(
    api: Any, local: Local, inbox: Inbox
) -> None:
    api.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    local.post("deliveries", mode="duplicate")
    api.customers.create({"name": "Ada"})
    local.post("deliveries/wait", timeout=0.5)
    assert len(inbox.received) == 2
    assert api.events.list().data[0].pending_webhooks == 1


def test_shuffled_events_come_out_of_order(api: Any, local: Local, inbox: Inbox) -> None:
    local.post("deliveries", mode="shuffle")
    for number in range(8):
        api.customers.create({"name": f"reader {number}"})
    local.post("deliveries/wait", timeout=5)
    names = [event.data.object.name for event in inbox.received]
    assert names != sorted(names)
    assert sorted(names) == [f"reader {number}" for number in range(8)]


def test_held_events_come_when_they_are_released(api: Any, local: Local, inbox: Inbox) -> None:
    local.post("deliveries", mode="hold")
    api.customers.create({"name": "Ada"})
    assert local.state()["deliveries"] == {"mode": "hold", "pending": 0, "held": 1}
    assert local.post("deliveries/release")["deliveries"]["held"] == 0
    local.post("deliveries/wait", timeout=5)
    assert inbox.types() == ["customer.created"]


def test_delayed_events_come_so_many_seconds_later(api: Any, local: Local, inbox: Inbox) -> None:
    local.post("deliveries", mode="delay", delay=30)
    api.customers.create({"name": "Ada"})
    assert local.post("deliveries/wait", timeout=0.1)["deliveries"]["pending"] == 1
    local.post("deliveries/release")
    assert local.post("deliveries/wait", timeout=5)["deliveries"]["pending"] == 0
    assert inbox.types() == ["customer.created"]
    local.post("deliveries", mode="delay", delay=0.2)
    api.customers.create({"name": "Bob"})
    assert local.post("deliveries/wait", timeout=5)["deliveries"]["pending"] == 0


def test_a_bad_signature_is_refused_and_the_event_comes_well_signed_later(
    api: Any, local: Local, inbox: Inbox
) -> None:
    local.post("deliveries", mode="bad_signature")
    api.customers.create({"name": "Ada"})
    assert local.post("deliveries/wait", timeout=0.3)["deliveries"]["pending"] == 1
    assert inbox.received == []
    assert len(inbox.headers) == 1
    local.post("deliveries", mode="normal")
    local.post("deliveries/release")
    assert local.post("deliveries/wait", timeout=0.8)["deliveries"]["pending"] == 0
    assert inbox.types() == ["customer.created"]


def test_while_a_secret_is_rolled_events_are_signed_with_both(
    api: Any, local: Local, inbox: Inbox
) -> None:
    (endpoint,) = api.webhook_endpoints.list().data
    new = local.post(f"webhook_endpoints/{endpoint.id}/roll", hours=24)["secret"]
    api.customers.create({"name": "Ada"})
    local.post("deliveries/wait", timeout=5)
    local.advance(days=1)
    old, inbox.secret = inbox.secret, new
    api.customers.create({"name": "Bob"})
    local.post("deliveries/wait", timeout=5)
    both, one = inbox.headers
    assert [header.count("v1=") for header in (both, one)] == [2, 1]
    assert inbox.types() == ["customer.created", "customer.created"]
    body = json.dumps(inbox.bodies[1], indent=2)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, one, old)


def test_a_secret_may_be_rolled_at_once(api: Any, local: Local, inbox: Inbox) -> None:
    (endpoint,) = api.webhook_endpoints.list().data
    inbox.secret = local.post(f"webhook_endpoints/{endpoint.id}/roll", hours=0)["secret"]
    api.customers.create({"name": "Ada"})
    local.post("deliveries/wait", timeout=5)
    assert [header.count("v1=") for header in inbox.headers] == [1]
    assert inbox.types() == ["customer.created"]


def test_an_endpoint_of_2020_is_sent_the_shapes_of_2020(
    api: Any, local: Local, inbox: Inbox, subscribe: Any
) -> None:
    (endpoint,) = api.webhook_endpoints.list().data
    api.webhook_endpoints.delete(endpoint.id)
    old = {"url": inbox.url, "enabled_events": ["*"], "api_version": "2020-03-02"}
    inbox.secret = api.webhook_endpoints.create(old).secret
    subscription = subscribe()
    api.refunds.create({"charge": api.charges.list().data[0].id, "amount": 100})
    local.post("deliveries/wait", timeout=10)
    told = {body["type"]: body["data"]["object"] for body in inbox.bodies}
    assert {body["api_version"] for body in inbox.bodies} == {"2020-03-02"}
    then = told["customer.subscription.created"]
    (item,) = subscription["items"].data
    assert then["current_period_end"] == item.current_period_end
    assert "current_period_end" not in then["items"]["data"][0]
    assert then["plan"]["id"] == item.plan.id
    bill, charge = told["invoice.paid"], told["charge.refunded"]
    assert (bill["subscription"], bill["paid"]) == (subscription.id, True)
    assert (bill["charge"], bill["payment_intent"]) == (charge["id"], charge["payment_intent"])
    assert not {"parent"} & (bill.keys() | bill["lines"]["data"][0].keys())
    assert bill["lines"]["data"][0]["price"]["id"] == item.price.id
    assert charge["invoice"] == bill["id"]
    assert [each["amount"] for each in charge["refunds"]["data"]] == [100]
    assert told["payment_intent.succeeded"]["charges"]["data"][0]["id"] == charge["id"]


@pytest.mark.parametrize("version", OLDER)
def test_every_older_version_can_be_sent_to_anybody_and_is_still_signed(
    api: Any, local: Local, inbox: Inbox, subscribe: Any, version: str
) -> None:
    subscribe()
    local.post("deliveries", version=version)
    for event in api.events.list({"limit": 100}).data:
        local.post(f"events/{event.id}/resend")
    local.post("deliveries/wait", timeout=10)
    assert local.state()["deliveries"]["pending"] == 0


def test_a_thin_event_says_only_what_to_look_at(api: Any, local: Local, inbox: Inbox) -> None:
    local.post("deliveries", version="thin")
    customer = api.customers.create({"name": "Ada"})
    local.post("deliveries/wait", timeout=5)
    (body,) = inbox.bodies
    assert (body["object"], body["type"]) == ("v2.core.event", "v1.customer.created")
    assert body["related_object"]["id"] == customer.id
    assert "data" not in body


def test_three_changes_in_one_second_are_three_events_and_the_last_one_holds(
    api: Any, local: Local, inbox: Inbox
) -> None:
    customer = api.customers.create({"name": "Ada"})
    for name in ("Bob", "Cat", "Dan"):
        api.customers.update(customer.id, {"name": name})
    local.post("deliveries/wait", timeout=5)
    assert [body["data"]["object"]["name"] for body in inbox.bodies] == ["Ada", "Bob", "Cat", "Dan"]
    assert api.customers.retrieve(customer.id).name == "Dan"


def test_groups_of_events_are_listed_by_their_common_beginning(
    api: Any, local: Local, gift: Any
) -> None:
    local.pay(gift())
    kinds = {e.type for e in api.events.list({"type": "payment_intent.*"}).data}
    assert kinds == {"payment_intent.created", "payment_intent.succeeded"}


def test_events_are_kept_for_thirty_days(api: Any, local: Local) -> None:
    api.customers.create({"name": "Ada"})
    local.advance(days=31)
    assert api.events.list().data == []


@pytest.mark.parametrize("mode", ["never", ""])
def test_an_unknown_mode_is_refused(local: Local, sandbox_url: str, mode: str) -> None:
    answer = local.http.post(f"{sandbox_url}/_sandbox/deliveries", json={"mode": mode})
    assert answer.status_code == 400
