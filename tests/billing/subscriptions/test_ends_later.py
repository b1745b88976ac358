"""An end that lies beyond the next renewal: until then it is paid for, and the reader is told."""

from datetime import timedelta

from fastapi.testclient import TestClient

from billing import checkout, subscriptions
from billing.clock import accounting_day
from billing.context import Context
from billing.models import Subscription
from billing.web.render import write_day
from tests.support.stripe import LocalStripe
from tests.support.subscriber import YEARLY, account_of, look, mail, mails, subscribe


def ending(
    context: Context, stripe: LocalStripe, ours: Subscription, *, after: timedelta
) -> Subscription:
    """Have staff write an end in the dashboard, so long after what is paid."""
    ends = int((ours.paid_until + after).timestamp())
    stripe.client.v1.subscriptions.update(ours.stripe_subscription_id, {"cancel_at": ends})
    return look(context)


def test_an_end_beyond_the_next_renewal_is_told_with_the_payment_that_still_comes(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)

    later = ending(context, stripe, ours, after=timedelta(days=40))

    assert later.renews
    told = mail(context, "subscription_ending")
    assert told["next_payment_on"] == str(accounting_day(ours.paid_until))
    page = account_of(client, context, ours)
    assert "Until then it is paid for as usual." in page.words
    assert f"Next payment £5.49 on {write_day(ours.paid_until)}" in page.words
    assert page.form(f"/account/subscriptions/{ours.id}/pay-from").buttons == ["Change how you pay"]


def test_a_renewal_before_the_end_is_no_last_one_and_the_one_it_ends_in_is(
    context: Context, stripe: LocalStripe
) -> None:
    ours = ending(context, stripe, subscribe(context, stripe), after=timedelta(days=40))

    stripe.control("advance", to=int((ours.paid_until + timedelta(hours=2)).timestamp()))
    checkout.look_at_invoice(context, str(stripe.client.v1.invoices.list().data[0].id))
    renewed = look(context)

    assert renewed.renews  # into the ten days that are left
    assert mail(context, "payment_receipt")["renews_on"] == str(accounting_day(renewed.paid_until))
    last = ending(context, stripe, renewed, after=timedelta())
    assert not last.renews


def test_an_end_with_the_period_says_that_nothing_more_is_taken(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)

    last = ending(context, stripe, ours, after=timedelta())

    assert not last.renews
    assert mail(context, "subscription_ending")["next_payment_on"] is None
    page = account_of(client, context, ours)
    assert "No more payments will be taken." in page.words
    assert "Next payment" not in page.words


def test_a_yearly_renewal_before_the_end_is_reminded_of(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, price=YEARLY)
    ending(context, stripe, ours, after=timedelta(days=90))
    stripe.control("advance", to=int((ours.paid_until - timedelta(days=7)).timestamp()))

    subscriptions.remind_of_renewals(context)

    assert mails(context)[-1] == "renewal_coming"
