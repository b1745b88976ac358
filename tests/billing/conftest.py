"""What tests of money share: readers who may pay by Direct Debit."""

from dataclasses import replace

import pytest

from billing.context import Context
from billing.settings import Checkout as CheckoutSettings
from tests.support.stripe import LocalStripe


@pytest.fixture
def by_debit(context: Context, stripe: LocalStripe) -> Context:
    """The same, where readers may pay by Direct Debit too."""
    stripe.control("settings", bacs_debit=1)
    methods = CheckoutSettings(methods=("card", "bacs_debit"))
    return replace(context, settings=context.settings.model_copy(update={"checkout": methods}))
