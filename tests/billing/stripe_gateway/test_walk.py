"""Lists are walked to their end, a hundred to a call."""

from datetime import UTC, datetime

import pytest

from billing.context import Context
from billing.stripe_gateway import walk
from billing.stripe_gateway.told import NotToldError, ToldGateway
from tests.support.reconciling import CountingGateway
from tests.support.stripe import LocalStripe


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_list_is_walked_beyond_its_first_hundred_by_a_call_for_each_hundred(
    context: Context, stripe: LocalStripe
) -> None:
    made = {stripe.client.v1.customers.create({"name": f"{n}"}).id for n in range(101)}
    gateway = CountingGateway(context.settings)

    walked = [theirs.id for theirs, _, _ in walk.customers(gateway)]

    assert (len(walked), set(walked), gateway.asked) == (101, made, 2)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_in_a_rehearsal_stripe_is_asked_nothing(context: Context) -> None:
    told = ToldGateway({})

    with pytest.raises(NotToldError):
        list(walk.events_since(told, since=datetime(2026, 1, 1, tzinfo=UTC)))
    del context
