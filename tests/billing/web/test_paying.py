"""Paying what is open and changing what one pays from, as a reader does it from their account."""

from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import readers, sign_in
from billing.context import Context
from billing.models import Command, CommandState, PaymentMethod, Subscription
from billing.web.render import write_day
from tests.support.pages import Page
from tests.support.stripe import LocalStripe
from tests.support.subscriber import FAILS_LATER, look, mirror

HERE = "http://localhost:8000"


def subscribe(client: TestClient, stripe: LocalStripe, card: str = "4242424242424242") -> None:
    answer = client.post("/checkout/subscription", data={"price": "digital-month-standard"})
    client.get(stripe.pay(answer.headers["location"], card=card).removeprefix(HERE))


def fall_due(context: Context, stripe: LocalStripe) -> Subscription:
    """Let a month go by, and the renewal with it."""
    moment = mirror(context).paid_until + timedelta(hours=3)
    stripe.control("advance", to=int(moment.timestamp()))
    return look(context)


def account(client: TestClient) -> Page:
    return Page(client.get("/account").text)


def press(client: TestClient, ours: Subscription, what: str) -> str:
    """Press a button of the account page, and return where it leads."""
    door = f"/account/subscriptions/{ours.id}/{what}"
    assert account(client).form(door).method == "post"
    answer = client.post(door)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_pay_now_pays_the_open_invoice_and_begins_no_second_subscription(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(client, stripe, card=FAILS_LATER)
    ours = fall_due(context, stripe)
    assert "We could not take your last payment." in account(client).words
    refused = client.post("/checkout/subscription", data={"price": "digital-month-standard"})
    assert refused.status_code == 409
    assert "One payment is still to be made" in refused.text

    page = press(client, ours, "pay")
    card = {"number": "4242424242424242", "expiry": "12/40", "cvc": "123", "name": "Gwen"}
    httpx2.post(page, data=card | {"country": "GB", "postal_code": "CR0 1BD"}, timeout=30)

    assert client.post(f"/account/subscriptions/{ours.id}/pay").headers["location"] == "/account"
    assert len(stripe.client.v1.subscriptions.list().data) == 1
    assert "You can read everything." in account(client).words
    assert "Pay now" not in account(client).words


def test_nobody_is_told_that_they_can_read_on_when_the_grace_is_over(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(client, stripe, card=FAILS_LATER)
    ours = fall_due(context, stripe)
    assert "You can read on for now." in account(client).words

    stripe.control("advance", to=int((ours.paid_until + timedelta(days=15)).timestamp()))

    assert "We could not take your last payment." in account(client).words
    assert "You can read on" not in account(client).words


def test_another_card_is_given_at_stripe_and_used_from_then_on_though_no_webhook_comes(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(client, stripe, card=FAILS_LATER)
    ours = mirror(context)

    portal = press(client, ours, "pay-from")
    card = {"number": "4242424242424242", "expiry": "12/40", "cvc": "123", "name": "Gwen"}
    done = httpx2.post(
        portal,
        data=card | {"act": "payment_method_update", "country": "GB", "postal_code": "CR0 1BD"},
        timeout=30,
        follow_redirects=False,
    )
    back = httpx2.get(done.headers["location"], timeout=30).headers["location"]
    assert back == f"{HERE}/account/subscriptions/{ours.id}/back"
    assert client.get(back.removeprefix(HERE)).headers["location"] == "/account"

    changed = mirror(context)
    assert changed.payment_method_id not in ("", ours.payment_method_id)
    assert "Paid by Visa ending 4242" in account(client).words
    with context.db.reading() as session:
        states = {c.kind: c.state for c in session.scalars(sa.select(Command))}
    assert states == {
        "checkout.open": CommandState.DONE,
        "portal.open": CommandState.DONE,
        "method.pay_from": CommandState.DONE,
    }
    assert fall_due(context, stripe).paid_until > ours.paid_until


def test_who_comes_back_without_a_choice_changes_nothing(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(client, stripe)
    ours = mirror(context)
    press(client, ours, "pay-from")

    client.get(f"/account/subscriptions/{ours.id}/back")

    assert mirror(context).payment_method_id == ours.payment_method_id
    with context.db.reading() as session:
        assert "method.pay_from" not in set(session.scalars(sa.select(Command.kind)))


@pytest.mark.parametrize("door", ["pay", "pay-from", "back"])
def test_nobody_pays_or_changes_for_another(
    client: TestClient, context: Context, stripe: LocalStripe, door: str
) -> None:
    subscribe(client, stripe)
    theirs = mirror(context)
    client.cookies.clear()
    asked = client.get if door == "back" else client.post
    path = f"/account/subscriptions/{theirs.id}/{door}"
    assert "/sign-in" in asked(path).headers["location"]

    now = context.clock.now()
    with context.db.unit_of_work() as session:
        stranger = readers.create(session, now=now).id
        token = sign_in.begin_session(session, reader_id=stranger, now=now)
    client.cookies.set("reader", token)

    assert asked(path).status_code == 400
    assert stripe.client.v1.billing_portal.configurations.list().data == []


def test_a_card_that_runs_out_and_a_mandate_that_ended_are_said_where_they_can_be_mended(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(client, stripe)
    last_day = context.clock.now().date()
    with context.db.unit_of_work() as session:
        session.scalars(sa.select(PaymentMethod)).one().expires_on = last_day
    assert f"Your card runs out on {write_day(last_day)}." in account(client).words

    with context.db.unit_of_work() as session:
        session.scalars(sa.select(PaymentMethod)).one().expires_on = last_day - timedelta(days=1)
    ran_out = f"Your card ran out on {write_day(last_day - timedelta(days=1))}."
    assert ran_out in account(client).words

    with context.db.unit_of_work() as session:
        session.scalars(sa.select(PaymentMethod)).one().mandate_status = "inactive"
    page = account(client)
    assert "Your bank takes no more Direct Debits for this subscription." in page.words
    assert page.form(f"/account/subscriptions/{mirror(context).id}/pay-from").buttons == [
        "Change how you pay"
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pause_collection": {"behavior": "void", "resumes_at": None}}, "It is on hold."),
        ({"status": "paused"}, "It is on hold."),
        ({"status": "hibernating"}, "We are checking how this subscription stands."),
        ({"status": "incomplete"}, "Your bank is still working on your first payment."),
    ],
)
def test_every_state_is_said_in_words(
    client: TestClient,
    context: Context,
    stripe: LocalStripe,
    fields: dict[str, object],
    words: str,
) -> None:
    subscribe(client, stripe)
    stripe.rewrite(mirror(context).stripe_subscription_id, **fields)
    look(context)

    assert words in account(client).words


def test_who_is_asked_for_nothing_more_is_not_told_to_wait_for_a_bank(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    subscribe(client, stripe, card=FAILS_LATER)
    fall_due(context, stripe)
    bill = stripe.client.v1.invoices.list({"limit": 1}).data[0]

    stripe.client.v1.invoices.void_invoice(str(bill.id))
    look(context)

    said = account(client).words
    assert "You can read everything." in said
    assert "bank" not in said
