"""Renewals of which nobody ever told us."""

import pytest
import sqlalchemy as sa

from billing.context import Context
from billing.models import Feed, Payment, Repair
from billing.reconciliation.rounds import nightly
from tests.support.reconciling import settle_all, subscribe
from tests.support.stripe import LocalStripe
from tests.support.subscriber import mails, mirror


@pytest.mark.slow
def test_a_fortnight_of_renewals_nobody_told_us_of_is_found_in_one_night_and_each_is_receipted(
    context: Context, stripe: LocalStripe
) -> None:
    for number in range(2):
        subscribe(context, stripe, email=f"reader{number}@example.org")
    settle_all(context, stripe)
    nightly(context)
    paid_until = mirror(context).paid_until
    stripe.advance(days=40)

    found = nightly(context)

    assert {drift.repaired for drift in found.drifts} == {True}
    assert mirror(context).paid_until > paid_until
    assert mails(context).count("payment_receipt") == 2
    with context.db.reading() as session:
        assert session.scalars(sa.select(Payment.amount)).all() == [5_49] * 4
        assert Feed.SWEEP in session.scalars(sa.select(Repair.feed)).all()
    assert nightly(context).exit_code == 0
