"""Every state a subscription may be in at Stripe, and what we make of it: access hour by hour."""

from dataclasses import replace
from datetime import datetime, timedelta

import httpx2
import pytest
from fastapi.testclient import TestClient

from billing import checkout, subscriptions
from billing.access import Reason
from billing.context import Context
from billing.errors import PaymentDueError
from billing.models import ObjectLease, SubscriptionStatus
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe
from tests.support.subscriber import (
    ASKS_EVERY_TIME,
    FAILS_LATER,
    look,
    mail,
    mails,
    mirror,
    pay_open_invoice,
    reason,
    rights,
    session_of,
    start,
    subscribe,
    tasks,
)

ACTIVE = SubscriptionStatus.ACTIVE
GRACE = timedelta(days=14)
HOUR = timedelta(hours=1)


def advance_to(stripe: LocalStripe, moment: datetime) -> None:
    stripe.control("advance", to=int(moment.timestamp()))


def test_who_looks_only_after_two_unpaid_periods_sees_the_first_of_them(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    stripe.control("settings", after_retries=2)  # it stays past due, and its periods go on
    due = ours.paid_until

    stripe.advance(days=70)
    late = look(context)

    assert (late.status, late.paid_until) == (SubscriptionStatus.PAST_DUE, due)
    assert late.past_due_since == due


@pytest.mark.slow
def test_past_due_reads_on_through_the_grace_and_no_hour_longer_and_paying_late_mends_it(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    due, reader_id = ours.paid_until, ours.reader_id
    failing = ours
    for day in range(13):
        advance_to(stripe, due + timedelta(days=day, hours=3))
        failing = look(context)
        assert reason(context, reader_id) is (Reason.GRACE)
        assert (failing.status, failing.paid_until) == (SubscriptionStatus.PAST_DUE, due)
        assert failing.past_due_since == due
    grace_ends = due + GRACE
    hours = [due - HOUR, due, grace_ends - HOUR, grace_ends, grace_ends + HOUR]
    assert [reason(context, reader_id, at) for at in hours] == [
        Reason.SUBSCRIBER,
        Reason.GRACE,
        Reason.GRACE,
        Reason.LIMIT_REACHED,
        Reason.LIMIT_REACHED,
    ]
    with pytest.raises(PaymentDueError):
        start(context, reader_id=reader_id)

    pay_open_invoice(failing.pay_url)

    paid = look(context)
    assert (paid.status, paid.past_due_since, paid.pay_url) == (ACTIVE, None, "")
    assert paid.paid_until > due + timedelta(days=27)
    assert reason(context, reader_id, grace_ends) is Reason.SUBSCRIBER


def test_an_unpaid_first_hour_of_a_renewal_locks_nobody_out(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    advance_to(stripe, ours.paid_until + timedelta(minutes=20))  # its invoice is still a draft

    renewing = look(context)

    assert (renewing.status, renewing.paid_until) == (ACTIVE, ours.paid_until)
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER
    advance_to(stripe, ours.paid_until + timedelta(hours=2))
    assert look(context).paid_until == renewing.provisional_until


def test_cancel_and_undo_and_cancel_at_a_date_end_where_stripe_says_in_either_writing(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    update = stripe.client.v1.subscriptions.update
    ident, at_the_end = ours.stripe_subscription_id, ours.paid_until
    earlier = at_the_end - timedelta(days=9)

    update(ident, {"cancel_at_period_end": True})
    first = look(context).ends_on
    stripe.rewrite(ident, cancel_at=None, cancel_at_period_end=True)
    same = look(context).ends_on
    stripe.rewrite(ident, cancel_at=int(at_the_end.timestamp()), cancel_at_period_end=False)
    same_again = look(context).ends_on
    stripe.rewrite(ident, cancel_at_period_end=True)
    update(ident, {"cancel_at_period_end": False})
    undone = look(context).ends_on
    stripe.advance(seconds=60)
    update(ident, {"cancel_at": int(earlier.timestamp())})
    dated = look(context)

    assert (first, same, same_again, undone) == (at_the_end, at_the_end, at_the_end, None)
    assert dated.ends_on == earlier
    assert mails(context) == ["subscription_started", "subscription_ending", "subscription_ending"]
    assert reason(context, ours.reader_id, earlier - HOUR) is Reason.SUBSCRIBER
    assert reason(context, ours.reader_id, earlier) is Reason.LIMIT_REACHED
    stripe.advance(days=30)
    assert look(context).ended_at == earlier


def test_an_end_that_stripe_writes_only_as_a_date_is_an_end_like_any_other(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"cancel_at_period_end": True}
    )
    stripe.rewrite(ours.stripe_subscription_id, cancel_at_period_end=False)  # as the portal does

    ending = look(context)

    assert ending.ends_on == ours.paid_until
    assert mails(context) == ["subscription_started", "subscription_ending"]
    assert rights(context)["subscription"].ends_at == ours.paid_until  # no leeway: none renews it
    stripe.advance(days=32)
    assert look(context).ended_at == ours.paid_until
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED


@pytest.mark.parametrize("after_retries", [0, 1, 2])
def test_a_first_decline_locks_nobody_out_and_nobody_reads_unpaid_for_ever(
    context: Context, stripe: LocalStripe, after_retries: int
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    stripe.control("settings", after_retries=after_retries)
    advance_to(stripe, ours.paid_until + timedelta(hours=3))
    look(context)
    assert reason(context, ours.reader_id) is Reason.GRACE

    stripe.advance(days=60)
    look(context)

    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["void", "keep_as_draft", "mark_uncollectible"])
def test_a_pause_of_collection_looks_active_and_yet_nothing_more_is_paid(
    context: Context, stripe: LocalStripe, behaviour: str
) -> None:
    ours = subscribe(context, stripe)
    stripe.client.v1.subscriptions.update(
        ours.stripe_subscription_id, {"pause_collection": {"behavior": behaviour}}
    )
    seen = []
    for _ in range(3):
        stripe.advance(days=31)
        seen.append(look(context))

    assert {(s.status, s.collection_paused, s.paid_until) for s in seen} == {
        (ACTIVE, True, ours.paid_until)
    }
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED
    assert mails(context) == ["subscription_started"]


def test_a_paused_subscription_opens_nothing_until_it_is_resumed(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    stripe.advance(days=3)
    stripe.client.v1.subscriptions.pause(ours.stripe_subscription_id, {"type": "subscription"})

    paused = look(context)

    assert (paused.status, paused.ended_at) == (SubscriptionStatus.PAUSED, None)
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED
    stripe.client.v1.subscriptions.resume(
        ours.stripe_subscription_id, {"billing_cycle_anchor": {"type": "unchanged"}}
    )
    assert look(context).status is ACTIVE
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER


def test_unpaid_reads_to_the_end_of_the_grace_and_is_sent_to_the_open_invoice(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe, card=FAILS_LATER)
    advance_to(stripe, ours.paid_until + timedelta(hours=3))
    stripe.rewrite(ours.stripe_subscription_id, status="unpaid")

    unpaid = look(context)

    assert unpaid.status is SubscriptionStatus.UNPAID
    assert unpaid.pay_url != ""
    assert rights(context)["grace"].ends_at == ours.paid_until + GRACE
    with pytest.raises(PaymentDueError):
        start(context, reader_id=ours.reader_id)


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired"])
def test_a_first_payment_that_failed_opens_nothing_and_stands_in_nobodys_way(
    context: Context, stripe: LocalStripe, status: str
) -> None:
    ours = subscribe(context, stripe)
    stripe.rewrite(str(stripe.client.v1.invoices.list().data[0].id), status="open", attempt_count=1)
    stripe.rewrite(ours.stripe_subscription_id, status=status)

    failed = look(context)
    stripe.advance(seconds=5)
    again = subscribe(context, stripe, reader_id=ours.reader_id)

    assert failed.status == status
    assert (again.status, again.reader_id) == (ACTIVE, ours.reader_id)
    assert tasks(context) == []


def test_a_bank_that_wants_to_ask_the_cardholder_is_told_of_once_and_as_that(
    context: Context, stripe: LocalStripe
) -> None:
    started = start(context)
    page = httpx2.post(
        started.url,
        data={"number": ASKS_EVERY_TIME, "expiry": "12/40", "cvc": "123", "name": "Gwen",
              "email": "gwen@example.org", "country": "GB", "postal_code": "CR0 1BD",
              "terms": "yes"},
        timeout=30,
    )  # fmt: skip
    httpx2.post(page.headers["location"], data={"outcome": "confirm"}, timeout=30)
    checkout.settle(context, session_of(started))
    ours = mirror(context)
    advance_to(stripe, ours.paid_until + timedelta(hours=3))
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    for _ in range(2):
        checkout.look_at_invoice(context, str(bill.id))

    assert mails(context) == ["subscription_started", "payment_action_needed"]
    assert mail(context, "payment_action_needed")["pay_link"] == bill.hosted_invoice_url


def test_who_hears_of_a_failure_when_the_grace_is_over_is_promised_no_more_of_it(
    context: Context, stripe: LocalStripe
) -> None:
    paywall = context.settings.paywall.model_copy(update={"grace_days": 0})
    settings = context.settings.model_copy(update={"paywall": paywall})
    strict = replace(context, settings=settings)
    ours = subscribe(strict, stripe, card=FAILS_LATER)
    advance_to(stripe, ours.paid_until + timedelta(hours=3))

    checkout.look_at_invoice(strict, str(stripe.client.v1.invoices.list({"limit": 1}).data[0].id))

    assert mail(context, "payment_failed")["access_until"] is None


def test_what_stripe_has_no_more_has_ended_and_never_comes_back(
    context: Context, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    ident = ours.stripe_subscription_id
    stripe.rewrite(ident, object="nothing")

    gone = look(context)
    stripe.rewrite(ident, object="subscription")
    back = look(context)  # Stripe has it again, or another account of the same name does

    assert gone.status is back.status is SubscriptionStatus.CANCELED
    assert gone.ended_at == back.ended_at is not None
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED
    assert mails(context) == ["subscription_started", "subscription_ended"]
    assert tasks(context) == ["subscription-gone"]
    with context.db.reading() as session:
        assert session.get_one(ObjectLease, ident).gone_at is not None


def test_the_whole_history_told_again_after_the_end_changes_nothing(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    stripe.client.v1.subscriptions.cancel(ours.stripe_subscription_id)
    deliver(client, context, events(stripe))
    over, told = mirror(context), mails(context)

    stripe.rewrite(ours.stripe_subscription_id, status="active")  # an answer from long ago
    replayed = [e | {"id": f"{e['id']}again"} for e in events(stripe)]
    deliver(client, context, replayed)

    again = mirror(context)
    assert (again.status, again.ended_at) == (SubscriptionStatus.CANCELED, over.ended_at)
    assert reason(context, ours.reader_id) is Reason.LIMIT_REACHED
    assert mails(context) == told == ["subscription_started", "subscription_ended"]


def test_events_of_a_dead_subscription_do_nothing_to_the_living_one(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    dead = subscribe(context, stripe)
    stripe.client.v1.subscriptions.cancel(dead.stripe_subscription_id)
    look(context)
    said = events(stripe)
    stripe.advance(days=1)
    living = subscribe(context, stripe, reader_id=dead.reader_id)

    deliver(client, context, said)

    now = mirror(context)
    assert (now.id, now.status, now.paid_until) == (living.id, ACTIVE, living.paid_until)
    assert reason(context, living.reader_id) is Reason.SUBSCRIBER
    assert tasks(context) == []


def test_of_three_changes_in_one_second_the_last_one_stands(
    context: Context, client: TestClient, stripe: LocalStripe
) -> None:
    ours = subscribe(context, stripe)
    for ends in (True, False, True):
        stripe.client.v1.subscriptions.update(
            ours.stripe_subscription_id, {"cancel_at_period_end": ends}
        )
    changed = [e for e in events(stripe) if e["type"] == "customer.subscription.updated"][-3:]
    assert max(e["created"] for e in changed) - min(e["created"] for e in changed) <= 1

    deliver(client, context, changed[::-1])

    assert mirror(context).ends_on == ours.paid_until


@pytest.mark.parametrize("first_to_be_seen", ["earlier", "later"])
def test_a_second_live_subscription_is_kept_and_told_of_whichever_comes_first(
    context: Context, stripe: LocalStripe, first_to_be_seen: str
) -> None:
    ours = subscribe(context, stripe)
    stripe.rewrite(str(stripe.client.v1.invoices.list().data[0].id), status="open", attempt_count=1)
    stripe.rewrite(ours.stripe_subscription_id, status="incomplete")
    look(context)
    started = start(context, reader_id=ours.reader_id)
    if first_to_be_seen == "earlier":
        come_alive(context, stripe, ours.stripe_subscription_id)
    stripe.pay(started.url)
    checkout.settle(context, session_of(started))
    if first_to_be_seen == "later":
        come_alive(context, stripe, ours.stripe_subscription_id)

    assert tasks(context) == ["second-subscription"]
    assert reason(context, ours.reader_id) is Reason.SUBSCRIBER


def come_alive(context: Context, stripe: LocalStripe, ident: str) -> None:
    stripe.rewrite(ident, status="active")
    subscriptions.look_again(context, ident)
