"""The reminder before a yearly renewal: once, in time, and to nobody who has left."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from billing import subscriptions
from billing.context import Context
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe
from tests.support.subscriber import (
    FAILS_LATER,
    MONTHLY,
    YEARLY,
    look,
    mail,
    mails,
    mirror,
    subscribe,
    tasks,
)


def go_to(stripe: LocalStripe, context: Context, *, days_before: float) -> None:
    moment = mirror(context).paid_until - timedelta(days=days_before)
    stripe.control("advance", to=int(moment.timestamp()))


@pytest.mark.parametrize(
    ("days_before", "reminded"), [(14.1, 0), (13.9, 1), (3.1, 1), (1.1, 1), (0.9, 0)]
)
def test_the_nightly_look_reminds_within_fourteen_days_of_a_yearly_renewal_and_late_if_need_be(
    context: Context, stripe: LocalStripe, days_before: float, reminded: int
) -> None:
    ours = subscribe(context, stripe, price=YEARLY)
    go_to(stripe, context, days_before=days_before)

    for _ in range(2):
        subscriptions.remind_of_renewals(context)

    assert mails(context)[1:] == ["renewal_coming"] * reminded
    if reminded:
        told = mail(context, "renewal_coming")
        assert told["renews_on"] == ours.paid_until.date().isoformat()
        assert (told["amount"], told["method"]) == (
            {"amount": ours.amount, "currency": "gbp"},
            "Visa ending 4242",
        )


def test_an_invoice_that_is_coming_has_no_id_and_reminds_once_whoever_is_first(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    subscribe(context, stripe, price=YEARLY)
    go_to(stripe, context, days_before=6.5)
    (coming,) = [e for e in events(stripe) if e["type"] == "invoice.upcoming"]
    assert "id" not in coming["data"]["object"] or not coming["data"]["object"]["id"]

    deliver(client, context, [coming, coming | {"id": "evt_again"}])
    subscriptions.remind_of_renewals(context)

    assert mails(context) == ["subscription_started", "renewal_coming"]


@pytest.mark.parametrize("why", ["monthly", "ending", "on hold"])
def test_nobody_is_reminded_of_what_they_know_or_of_what_does_not_come(
    context: Context, stripe: LocalStripe, why: str
) -> None:
    ours = subscribe(context, stripe, price=MONTHLY if why == "monthly" else YEARLY)
    update = stripe.client.v1.subscriptions.update
    if why == "ending":
        update(ours.stripe_subscription_id, {"cancel_at_period_end": True})
    if why == "on hold":
        update(ours.stripe_subscription_id, {"pause_collection": {"behavior": "void"}})
    look(context)
    go_to(stripe, context, days_before=7)

    subscriptions.remind_of_renewals(context)
    look(context)

    assert "renewal_coming" not in mails(context)


def test_whoever_was_forgiven_a_year_is_reminded_of_the_next(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, price=YEARLY, card=FAILS_LATER)
    stripe.control("advance", to=int((ours.paid_until + timedelta(hours=2)).timestamp()))
    stripe.client.v1.invoices.void_invoice(str(stripe.client.v1.invoices.list().data[0].id))
    runs_until = look(context).provisional_until
    assert runs_until is not None
    stripe.control("advance", to=int((runs_until - timedelta(days=7)).timestamp()))

    subscriptions.remind_of_renewals(context)

    assert mail(context, "renewal_coming")["renews_on"] == runs_until.date().isoformat()


def test_one_that_cannot_be_looked_at_keeps_no_other_from_its_reminder_and_is_asked_about(
    context: Context, stripe: LocalStripe
) -> None:
    first, second = (subscribe(context, stripe, price=YEARLY) for _ in range(2))
    go_to(stripe, context, days_before=7)
    broken = min(first.stripe_subscription_id, second.stripe_subscription_id)
    whole = stripe.client.v1.subscriptions.retrieve(broken).start_date
    stripe.rewrite(broken, start_date=None)  # a shape nobody has seen

    assert subscriptions.remind_of_renewals(context) == 1

    assert mails(context).count("renewal_coming") == 1
    assert tasks(context) == ["reminder-missed"]
    stripe.rewrite(broken, start_date=whole)
    assert subscriptions.remind_of_renewals(context) == 0
    assert mails(context).count("renewal_coming") == 2
