"""What Stripe says of our account, and asks of staff."""

from fastapi.testclient import TestClient

from billing import payments
from billing.context import Context
from tests.billing.payments.gifts import balances, charge_of, detail, give, tasks
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe
from tests.support.subscriber import subscribe


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


def hear(client: TestClient, context: Context, stripe: LocalStripe, about: str) -> None:
    """Let what Stripe says of one kind of thing arrive, and be handled."""
    deliver(client, context, [e for e in events(stripe) if e["type"].startswith(about)])


def test_a_review_waits_for_staff_until_stripe_says_that_it_is_closed(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    intent = give(context, stripe)
    stripe.control(f"charges/{charge_of(stripe, intent)}/review")

    hear(client, context, stripe, "review.opened")

    assert tasks(context) == ["review"]
    assert f"Approve or refund the payment {intent}" in detail(context, "review")
    stripe.control(f"reviews/{stripe.client.v1.reviews.list().data[0].id}/close")
    hear(client, context, stripe, "review.closed")
    assert tasks(context) == []
    hear(client, context, stripe, "review.")  # late, and the other way round
    assert tasks(context) == []


def test_a_credit_note_asks_staff_for_the_refund_it_may_mean_and_moves_no_money(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(context, stripe)
    invoice = stripe.client.v1.invoices.list().data[0].id
    before = balances(context, "1240")
    stripe.control(f"invoices/{invoice}/credit", amount=1_00)

    hear(client, context, stripe, "credit_note.")

    assert tasks(context) == ["credit-note"]
    said = detail(context, "credit-note")
    assert "over £1.00" in said
    assert f"what the invoice {invoice} says was owed" in said
    stripe.control(f"credit_notes/{stripe.client.v1.credit_notes.list().data[0].id}/void")
    hear(client, context, stripe, "credit_note.voided")
    assert (tasks(context), balances(context, "1240")) == ([], before)
