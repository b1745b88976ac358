"""What a subscriber is told is true in every state they may be in when it is said."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout, payments, subscriptions
from billing.access import Reason
from billing.clock import accounting_day
from billing.context import Context
from billing.models import Payment, Subscription, SubscriptionStatus
from billing.tasks import open_tasks
from billing.web.render import write_day
from tests.billing.checkout.bank import agree
from tests.support.stripe import LocalStripe
from tests.support.subscriber import (
    FAILS_LATER,
    PAYS,
    YEARLY,
    account_of,
    look,
    mail,
    mails,
    pay_open_invoice,
    reason,
    rights,
    subscribe,
    take_a_second_copy,
    tasks,
)

HOUR = timedelta(hours=1)


def go_to_renewal(stripe: LocalStripe, ours: Subscription, *, after: timedelta = 2 * HOUR) -> Any:
    """Go to shortly after the renewal, and return its invoice."""
    stripe.control("advance", to=int((ours.paid_until + after).timestamp()))
    return stripe.client.v1.invoices.list({"limit": 1}).data[0]


def told_payment(context: Context) -> str:
    """Return the newest payment."""
    with context.db.reading() as session:
        newest = sa.select(Payment.stripe_payment_intent_id).order_by(Payment.created_at.desc())
        return str(session.scalars(newest.limit(1)).one())


def end(context: Context, ours: Subscription) -> None:
    subscriptions.cancel_at_period_end(context, reader_id=ours.reader_id, subscription_id=ours.id)


def test_who_pays_after_the_end_is_not_told_that_it_goes_on_and_staff_are_asked(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    bill = go_to_renewal(stripe, ours)
    stripe.advance(days=40)  # Stripe has given up by then
    ended = look(context)
    assert ended.status is SubscriptionStatus.CANCELED

    pay_open_invoice(str(bill.hosted_invoice_url))
    checkout.look_at_invoice(context, str(bill.id))

    told = mail(context, "payment_receipt")
    assert (told["late"], told["ended"], told["renews_on"]) == (True, True, None)
    assert tasks(context) == ["paid-after-end"]
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED

    payment = told_payment(context)
    payments.refund(context, payment, amount=None, actor="staff:1", reason="late")
    checkout.look_at_payment(context, payment)
    with context.db.reading() as session:
        assert open_tasks(session) == []


def test_a_payment_before_the_end_that_is_heard_of_after_it_is_an_ordinary_one(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    bill = go_to_renewal(stripe, ours)
    stripe.advance(days=1)
    stripe.client.v1.subscriptions.cancel(ours.stripe_subscription_id)

    checkout.look_at_invoice(context, str(bill.id))

    told = mail(context, "payment_receipt")
    assert (told["late"], told["ended"]) == (False, True)
    assert tasks(context) == []


def test_who_ends_while_a_payment_is_overdue_is_told_that_it_may_still_be_taken(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    go_to_renewal(stripe, ours)
    look(context)

    end(context, ours)

    assert mail(context, "subscription_ending")["asked_for"]
    page = account_of(client, context, ours)
    assert "We could not take your last payment." in page.words
    assert "No more payments will be taken." not in page.words
    assert f"It then renews on {write_day(ours.paid_until)}" not in page.words


def test_who_ends_in_the_hour_of_the_renewal_is_told_of_the_payment_that_is_still_taken(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    bill = go_to_renewal(stripe, ours, after=HOUR / 3)
    assert bill.status == "draft"
    look(context)

    end(context, ours)

    assert mail(context, "subscription_ending")["asked_for"]
    assert "may still be taken" in account_of(client, context, ours).words
    stripe.advance(seconds=7200)
    assert stripe.client.v1.invoices.retrieve(str(bill.id)).status == "paid"


def test_who_ends_while_the_bank_works_on_the_first_debit_is_told_that_it_is_still_taken(
    by_debit: Context, client: TestClient, stripe: LocalStripe
) -> None:
    agree(by_debit, stripe, PAYS)
    ours = look(by_debit)

    end(by_debit, ours)

    assert mail(by_debit, "subscription_ending")["asked_for"]
    page = account_of(client, by_debit, ours)
    assert "may still be taken" in page.words
    assert ours.provisional_until is not None
    assert f"It then renews on {write_day(ours.provisional_until)}" in page.words


def test_an_ordinary_end_says_that_nothing_more_is_taken(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)

    end(context, ours)

    told = mail(context, "subscription_ending")
    assert (told["asked_for"], told["on_hold"]) == (False, False)
    page = account_of(client, context, ours)
    assert "No more payments will be taken." in page.words
    assert f"It then renews on {write_day(ours.paid_until)}" in page.words
    assert "End my subscription" not in page.words


def test_an_end_beyond_the_renewal_can_be_brought_forward_by_the_reader(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    ends = int((ours.paid_until + timedelta(days=40)).timestamp())
    stripe.client.v1.subscriptions.update(ours.stripe_subscription_id, {"cancel_at": ends})
    look(context)
    path = f"/account/subscriptions/{ours.id}/cancel"
    assert account_of(client, context, ours).form(path).buttons == ["End my subscription"]

    client.post(path)

    assert look(context).ends_on == ours.paid_until


@pytest.mark.parametrize("how", ["collection", "subscription"])
def test_what_is_on_hold_and_ends_promises_no_reading_to_its_end(
    context: Context, client: TestClient, stripe: LocalStripe, how: str
) -> None:
    ours = subscribe(context, stripe)
    v1 = stripe.client.v1.subscriptions
    v1.update(ours.stripe_subscription_id, {"cancel_at_period_end": True})
    if how == "collection":
        v1.update(ours.stripe_subscription_id, {"pause_collection": {"behavior": "void"}})
    else:
        v1.pause(ours.stripe_subscription_id, {"type": "subscription"})

    look(context)

    assert mail(context, "subscription_ending")["on_hold"]
    words = account_of(client, context, ours).words
    assert "It is on hold." in words
    assert "You can read everything until then." not in words
    assert ("what you have paid for runs to" in words) is (how == "collection")


def test_who_was_left_unpaid_and_asked_again_by_nobody_can_still_pay(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    stripe.control("settings", after_retries=1)  # Stripe leaves it unpaid, and drafts go on
    ours = subscribe(context, stripe, card=FAILS_LATER)
    bill = go_to_renewal(stripe, ours)
    stripe.advance(days=70)

    left = look(context)

    assert left.status is SubscriptionStatus.UNPAID
    assert stripe.client.v1.invoices.list({"limit": 1}).data[0].status == "draft"
    opened = stripe.client.v1.invoices.retrieve(str(bill.id))
    assert left.pay_url == opened.hosted_invoice_url != ""
    assert account_of(client, context, ours).form(
        f"/account/subscriptions/{ours.id}/pay"
    ).buttons == ["Pay now"]


def test_who_owes_for_a_change_alone_reads_on_and_if_all_ends_for_it_staff_are_asked(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER, price=YEARLY)
    stripe.advance(days=165)
    take_a_second_copy(stripe, ours)
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    checkout.look_at_invoice(context, str(bill.id))

    told = mail(context, "payment_failed")
    assert (told["paid_up"], told["access_until"]) == (True, str(accounting_day(ours.paid_until)))

    stripe.advance(days=40)  # and Stripe, having tried in vain, ends the whole
    ended = look(context)
    assert ended.status is SubscriptionStatus.CANCELED
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED
    assert mail(context, "subscription_ended")["days_left"]
    assert tasks(context) == ["ended-with-paid-days"]


def test_a_failed_renewal_before_an_end_promises_reading_no_longer_than_that(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    ends = ours.paid_until + timedelta(days=5)
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"cancel_at": int(ends.timestamp())}
    )
    bill = go_to_renewal(stripe, ours)

    checkout.look_at_invoice(context, str(bill.id))

    assert rights(context)["grace"].ends_at == ends
    assert mail(context, "payment_failed")["access_until"] == str(accounting_day(ends))


def test_a_receipt_names_no_next_payment_that_is_past(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control("settings", after_retries=2)
    ours = subscribe(context, stripe, card=FAILS_LATER)
    bill = go_to_renewal(stripe, ours)
    good = stripe.client.v1.payment_methods.attach(
        "pm_card_visa", {"customer": ours.stripe_customer_id}
    )
    stripe.advance(days=40)
    stripe.client.v1.invoices.pay(str(bill.id), {"payment_method": good.id})

    checkout.look_at_invoice(context, str(bill.id))

    told = mail(context, "payment_receipt")
    assert (told["renews_on"], told["unsaid"]) == (None, True)  # another is overdue by now


def test_a_receipt_while_collection_is_paused_names_no_next_payment(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    bill = go_to_renewal(stripe, ours)
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"pause_collection": {"behavior": "void"}}
    )

    checkout.look_at_invoice(context, str(bill.id))

    told = mail(context, "payment_receipt")
    assert (told["renews_on"], told["unsaid"]) == (None, True)


def test_a_trial_that_is_cut_short_and_never_paid_is_not_paid_to_its_old_end(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    v1 = stripe.client.v1.subscriptions
    ends = context.clock.now() + timedelta(days=60)
    free: Any = {"trial_end": int(ends.timestamp()), "proration_behavior": "none"}
    v1.update(ours.stripe_subscription_id, free)
    look(context)
    stripe.advance(days=1)
    now = context.clock.now()

    v1.update(ours.stripe_subscription_id, {"trial_end": "now", "proration_behavior": "none"})
    cut = look(context)

    assert cut.status is SubscriptionStatus.PAST_DUE
    assert abs(cut.paid_until - now) < HOUR


def test_a_reminder_names_what_is_taken_with_the_credit_there_is(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, price=YEARLY)
    stripe.rewrite(ours.stripe_customer_id, balance=-50_00)
    stripe.advance(days=358)

    subscriptions.remind_of_renewals(context)

    assert mail(context, "renewal_coming")["amount"]["amount"] == ours.amount - 50_00
    assert mails(context).count("renewal_coming") == 1


def test_a_draft_that_is_deleted_is_no_question_any_more(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    bill = go_to_renewal(stripe, ours, after=HOUR / 3)
    stripe.rewrite(str(bill.id), last_finalization_error={"message": "no address", "code": "x"})
    checkout.look_at_invoice(context, str(bill.id))
    assert tasks(context) == ["invoice-stuck"]

    stripe.rewrite(str(bill.id), object="nothing")
    with context.db.unit_of_work() as session:
        session.execute(sa.text("DELETE FROM object_lease"))
    checkout.look_at_invoice(context, str(bill.id))

    with context.db.reading() as session:
        closed = session.scalar(sa.text("SELECT closed_at FROM task"))
    assert closed is not None


@pytest.mark.parametrize("status", [403, 500])
def test_a_preview_that_stripe_does_not_give_holds_up_neither_look_nor_reminder(
    context: Context, stripe: LocalStripe, status: int
) -> None:
    ours = subscribe(context, stripe, price=YEARLY)
    stripe.advance(days=358)
    asked: Any = {"path_prefix": "/v1/invoices/create_preview", "times": 3, "status": status}
    stripe.control("fail_next", kind="error", method="POST", **asked)

    assert subscriptions.remind_of_renewals(context) == 0

    assert mail(context, "renewal_coming")["amount"]["amount"] == ours.amount


def test_whoever_owes_for_a_change_is_reminded_of_their_year_all_the_same(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control("settings", after_retries=2)
    ours = subscribe(context, stripe, card=FAILS_LATER, price=YEARLY)
    stripe.control("advance", to=int((ours.paid_until - timedelta(days=12)).timestamp()))
    take_a_second_copy(stripe, ours)
    assert look(context).status is SubscriptionStatus.PAST_DUE

    subscriptions.remind_of_renewals(context)

    assert mails(context).count("renewal_coming") == 1


def test_an_end_far_beyond_an_overdue_period_names_the_payments_that_still_come(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    go_to_renewal(stripe, ours)
    ends = int((ours.paid_until + timedelta(days=100)).timestamp())
    stripe.client.v1.subscriptions.update(ours.stripe_subscription_id, {"cancel_at": ends})

    look(context)

    assert mail(context, "subscription_ending")["next_payment_on"] is not None
