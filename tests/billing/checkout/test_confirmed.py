"""What was agreed with a bank is confirmed before the service begins, once, and while it is so."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout, subscriptions
from billing.books.opening import open_books
from billing.clock import accounting_day
from billing.context import Context
from billing.models import OutboxMessage, OwedState, SubscriptionStatus
from tests.billing.checkout.bank import agree, settle_again, wait_for_the_bank
from tests.support.deliveries import deliver, events
from tests.support.stripe import LocalStripe
from tests.support.subscriber import (
    NO_FUNDS,
    PAYS,
    by_bank,
    look,
    mail,
    mails,
    mirror,
    rights,
    start,
    subscribe,
)


def test_what_was_agreed_is_confirmed_at_once_with_all_the_contract_says(
    by_debit: Context, stripe: LocalStripe
) -> None:
    agree(by_debit, stripe, PAYS)

    ours = mirror(by_debit)
    assert ours.provisional_until is not None
    agreed_on = accounting_day(ours.started_at)
    assert mail(by_debit, "debit_agreed") == {
        "amount": {"amount": 5_49, "currency": "gbp"},
        "account": "Bank account ending 2345",
        "plan": "Digital subscription",
        "price": {"amount": 5_49, "currency": "gbp"},
        "interval": "month",
        "agreed_on": str(agreed_on),
        "renews_on": str(accounting_day(ours.provisional_until)),
        "cooling_off_ends": str(agreed_on + timedelta(days=14)),
    }
    with by_debit.db.reading() as session:
        told = session.scalars(sa.select(OutboxMessage)).one()
    assert (told.to_address, told.reader_id) == ("gwen@example.org", ours.reader_id)


def test_however_often_and_by_whomever_it_is_heard_it_is_confirmed_once(
    by_debit: Context, client: TestClient, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    said = events(stripe)

    deliver(client, by_debit, [*said, *({**each, "id": f"{each['id']}again"} for each in said)])
    look(by_debit)
    settle_again(by_debit, started)

    assert mails(by_debit) == ["debit_agreed"]


def test_whichever_is_learnt_last_confirms_it_that_the_bank_is_asked_or_that_one_reads(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit)
    by_bank(stripe, started.url, PAYS)
    (ident,) = [each.id for each in stripe.client.v1.subscriptions.list().data]
    stripe.rewrite(ident, status="incomplete")
    assert settle_again(by_debit, started) == "awaiting_bank"
    assert (rights(by_debit), mails(by_debit)) == ({}, [])

    stripe.rewrite(ident, status="active")
    look(by_debit)

    assert set(rights(by_debit)) == {"subscription"}
    assert mails(by_debit) == ["debit_agreed"]


def test_a_change_that_is_invoiced_meanwhile_is_not_confirmed_as_the_first_payment(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit, price="digital-month-concession")
    by_bank(stripe, started.url, PAYS)
    (theirs,) = stripe.client.v1.subscriptions.list().data
    stripe.rewrite(theirs.id, status="incomplete")
    settle_again(by_debit, started)
    stripe.rewrite(theirs.id, status="active")
    stripe.advance(seconds=3600)
    dearer = stripe.client.v1.prices.list({"lookup_keys": ["digital-month-standard"]}).data[0].id
    item: Any = {"id": theirs["items"].data[0].id, "price": dearer}
    stripe.client.v1.subscriptions.update(
        theirs.id, {"items": [item], "proration_behavior": "always_invoice"}
    )
    first, second = sorted(
        stripe.client.v1.payment_intents.list().data, key=lambda payment: payment.created
    )
    checkout.look_at_payment(by_debit, second.id)  # of which only the first opened the paper

    look(by_debit)

    assert first.amount != second.amount
    assert mail(by_debit, "debit_agreed")["amount"]["amount"] == first.amount


def test_what_is_heard_of_only_when_the_money_is_there_is_not_confirmed_as_under_way(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit)
    by_bank(stripe, started.url, PAYS)
    stripe.advance(days=14)

    assert settle_again(by_debit, started) == "settled"

    assert mails(by_debit) == ["subscription_started"]
    assert mail(by_debit, "subscription_started")["confirmed"] is False


def test_what_is_heard_of_only_when_the_bank_has_refused_is_not_confirmed_as_under_way(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit)
    by_bank(stripe, started.url, NO_FUNDS)
    until_stripe_says(stripe, "requires_payment_method")

    assert settle_again(by_debit, started) == "failed"

    assert mails(by_debit) == ["payment_failed"]


def test_a_refused_debit_that_is_tried_again_is_not_confirmed_as_the_first(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = start(by_debit)
    by_bank(stripe, started.url, NO_FUNDS)
    until_stripe_says(stripe, "requires_payment_method")
    until_stripe_says(stripe, "processing")

    settle_again(by_debit, started)

    assert mirror(by_debit).status is SubscriptionStatus.PAST_DUE
    assert mails(by_debit) == []


def test_who_pays_by_card_is_told_of_the_start_alone(
    by_debit: Context, stripe: LocalStripe
) -> None:
    subscribe(by_debit, stripe)
    look(by_debit)

    assert mails(by_debit) == ["subscription_started"]


def test_whoever_was_confirmed_days_before_is_told_that_the_money_came_and_when(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    agreed = mail(by_debit, "debit_agreed")

    assert wait_for_the_bank(by_debit, stripe, started) == "settled"

    told = mail(by_debit, "subscription_started")
    assert told["confirmed"] is True
    kept = ("agreed_on", "renews_on", "cooling_off_ends", "plan", "price", "interval")
    assert {name: told[name] for name in kept} == {name: agreed[name] for name in kept}
    assert date.fromisoformat(told["receipt"]["paid_on"]) > date.fromisoformat(told["agreed_on"])


def test_money_that_comes_after_the_days_to_cancel_promises_them_no_more(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    stripe.advance(days=20)

    assert settle_again(by_debit, started) == "settled"

    assert mail(by_debit, "subscription_started")["cooling_off_ends"] is None


def test_who_ends_it_before_the_bank_has_paid_is_told_of_no_renewal(
    by_debit: Context, stripe: LocalStripe
) -> None:
    started = agree(by_debit, stripe, PAYS)
    ours = mirror(by_debit)
    subscriptions.cancel_at_period_end(by_debit, reader_id=ours.reader_id, subscription_id=ours.id)
    stripe.advance(days=14)

    assert settle_again(by_debit, started) == "settled"

    assert mails(by_debit) == ["debit_agreed", "subscription_ending", "subscription_started"]
    assert mail(by_debit, "subscription_started")["renews_on"] is None


def test_what_was_agreed_before_we_took_over_is_confirmed_to_nobody(
    by_debit: Context, stripe: LocalStripe
) -> None:
    quiet = replace(by_debit, db=by_debit.db.quiet("adopted"))
    started = agree(quiet, stripe, PAYS)
    settle_again(by_debit, started)
    with by_debit.db.unit_of_work() as session:
        told = session.scalars(sa.select(OutboxMessage)).one()
        assert (told.kind, told.state) == ("debit_agreed", OwedState.DONE)
        session.delete(told)
        now = by_debit.clock.now()
        open_books(session, {"gbp": 0}, at=now, now=now)

    look(by_debit)
    settle_again(by_debit, started)

    assert mails(by_debit) == []


def until_stripe_says(stripe: LocalStripe, status: str) -> None:
    """Let days go by until the only payment has this status, and look at nothing of ours."""
    for _ in range(60):
        (payment,) = stripe.client.v1.payment_intents.list().data
        if payment.status == status:
            return
        stripe.advance(seconds=6 * 3600)
    raise AssertionError(f"never {status}")
