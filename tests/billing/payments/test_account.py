"""What Stripe says of our account, and asks of staff."""

from billing import payments
from billing.context import Context
from tests.billing.payments.gifts import charge_of, detail, give, tasks
from tests.support.stripe import LocalStripe


def look(context: Context, stripe: LocalStripe) -> None:
    payments.look_at_account(context, str(stripe.client.v1.accounts.retrieve_current().id))


def test_staff_are_alarmed_while_nothing_is_paid_out_and_each_time_it_stops_again(
    context: Context, stripe: LocalStripe
) -> None:
    look(context, stripe)
    assert tasks(context) == []
    for _ in range(2):
        stripe.control("settings", payouts_enabled=0)
        look(context, stripe)
        look(context, stripe)
        assert tasks(context) == ["payouts-stopped"]

        stripe.control("settings", payouts_enabled=1)
        look(context, stripe)
        assert tasks(context) == []


def test_an_early_warning_of_fraud_says_what_to_do_until_it_is_done(
    context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.control(f"charges/{charge_of(stripe, intent)}/warn", fraud_type="made_with_stolen_card")
    warning = stripe.client.v1.radar.early_fraud_warnings.list().data[0].id

    payments.look_at_question(context, warning)

    assert tasks(context) == ["early-fraud-warning"]
    assert f"Look at the payment {intent}" in detail(context, "early-fraud-warning")
    stripe.rewrite(warning, actionable=False)
    payments.look_at_question(context, warning)
    assert tasks(context) == []
