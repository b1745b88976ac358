"""Test clocks: some customers live by a time of their own."""

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Local, price

_DAY = 86400
_START = 1_893_456_000  # 1 January 2030


@pytest.fixture
def clock(api: Any) -> Any:
    return api.test_helpers.test_clocks.create({"frozen_time": _START, "name": "January"})


def on(api: Any, clock: Any, **more: Any) -> Any:
    """Begin a subscription that costs nothing at first, for a customer on the clock."""
    customer = api.customers.create({"test_clock": clock.id, "name": "Ada"})
    items = [{"price": price(api, 1000)}]
    trial = {"customer": customer.id, "items": items, "trial_period_days": 7}
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    return api.subscriptions.create(trial | {"trial_settings": settings} | more)


def test_who_is_on_a_clock_lives_by_its_time_and_nobody_else(
    api: Any, local: Local, clock: Any
) -> None:
    made = on(api, clock)
    assert (made.created, made.trial_end) == (_START, _START + 7 * _DAY)
    assert api.customers.create().created < _START
    local.advance(days=40)  # the account's time is not the clock's
    assert api.subscriptions.retrieve(made.id).status == "trialing"
    assert [s.id for s in api.subscriptions.list({"test_clock": clock.id}).data] == [made.id]


def test_a_clock_is_advancing_and_then_ready_with_all_done_that_fell_due(
    api: Any, local: Local, clock: Any
) -> None:
    made, beside = on(api, clock), on(api, api.test_helpers.test_clocks.create({"frozen_time": 1}))
    moving = api.test_helpers.test_clocks.advance(clock.id, {"frozen_time": _START + 8 * _DAY})
    assert (moving.status, moving.frozen_time) == ("advancing", _START)
    ready = api.test_helpers.test_clocks.retrieve(clock.id)
    assert (ready.status, ready.frozen_time) == ("ready", _START + 8 * _DAY)
    paused = api.subscriptions.retrieve(made.id)
    assert paused.status_details.paused.transitioned_at == made.trial_end
    assert api.subscriptions.retrieve(beside.id).status == "trialing"
    types = [event.type for event in api.events.list({"limit": 100}).auto_paging_iter()]
    assert types.count("customer.subscription.trial_will_end") == 1
    assert types[0] == "test_helpers.test_clock.ready"
    assert "test_helpers.test_clock.advancing" in types
    assert abs(api.events.list().data[0].created - local.state()["now"]) < 60


def test_a_clock_moves_forward_and_two_periods_at_most(api: Any, clock: Any) -> None:
    on(api, clock)
    for to in (_START, _START + 63 * _DAY):
        with pytest.raises(stripe.InvalidRequestError, match="frozen_time must be"):
            api.test_helpers.test_clocks.advance(clock.id, {"frozen_time": to})


def test_a_deleted_clock_takes_its_customers_with_it(api: Any, clock: Any) -> None:
    made = on(api, clock)
    assert api.test_helpers.test_clocks.delete(clock.id).deleted
    assert api.subscriptions.retrieve(made.id).status == "canceled"
    assert api.customers.retrieve(made.customer).deleted
    assert api.test_helpers.test_clocks.list().data == []
