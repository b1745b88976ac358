"""A key that may not: what it lacks is named, and nothing else of what Stripe says."""

import pytest
import stripe as sdk

from billing.context import Context
from billing.errors import KeyRefusedError

SAID = (
    "The provided key 'rk_test_*****Abc' does not have the required permissions for this endpoint"
    " on account 'acct_1'. Having the 'rak_charge_read' permission would allow this request to"
    " continue."
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (SAID, "the key was refused: PermissionError 403, it lacks rak_charge_read"),
        ("No such key", "the key was refused: PermissionError 403"),
    ],
)
def test_the_right_a_restricted_key_lacks_is_named(context: Context, said: str, told: str) -> None:
    def ask() -> None:
        raise sdk.PermissionError(said, http_status=403)

    with pytest.raises(KeyRefusedError) as refused:
        context.gateway.ask(ask)

    assert str(refused.value) == told
