"""A reader's own page."""

from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import readers, reconciliation, sign_in
from billing.context import Context
from billing.models import Subscription, Task
from billing.web.render import write_day, write_short_day
from tests.support.pages import Page
from tests.support.stripe import LocalStripe


@pytest.fixture
def subscriber(client: TestClient, stripe: LocalStripe) -> TestClient:
    """A browser that has just subscribed, and so is signed in."""
    answer = client.post("/checkout/subscription", data={"price": "digital-month-standard"})
    client.get(stripe.pay(answer.headers["location"]).removeprefix("http://localhost:8000"))
    return client


def _own(context: Context) -> Subscription:
    with context.db.reading() as session:
        return session.scalars(sa.select(Subscription)).one()


def _sign_in_somebody_else(client: TestClient, context: Context) -> UUID:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader_id = readers.create(session, now=now).id
        token = sign_in.begin_session(session, reader_id=reader_id, now=now)
    client.cookies.clear()
    client.cookies.set("reader", token)
    return reader_id


def test_a_stranger_is_asked_to_sign_in_and_then_led_back(client: TestClient) -> None:
    answer = client.get("/account")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Faccount")


def test_it_says_what_one_has_until_when_and_what_one_paid(
    subscriber: TestClient, context: Context
) -> None:
    page = Page(subscriber.get("/account").text)

    ours = _own(context)
    assert "You can read everything." in page.words
    assert f"Next payment £5.49 on {write_day(ours.paid_until)}" in page.words
    today = write_short_day(context.clock.now())
    row = f"{today} Digital subscription Receipt S-000001, visa ending 4242 £5.49"
    assert row.lower() in page.words.lower()
    assert page.form("/sign-out").buttons == ["Sign out"]


def test_ending_takes_one_step_and_can_be_undone(subscriber: TestClient, context: Context) -> None:
    ours = _own(context)
    end, keep = (f"/account/subscriptions/{ours.id}/{verb}" for verb in ("cancel", "keep"))
    before = Page(subscriber.get("/account").text)

    ended = subscriber.post(end)
    after = Page(subscriber.get("/account").text)
    kept = subscriber.post(keep)
    again = Page(subscriber.get("/account").text)

    assert before.form(end).buttons == ["End my subscription"]
    assert (ended.status_code, ended.headers["location"]) == (303, "/account")
    assert f"It ends on {write_day(ours.paid_until)}." in after.words
    assert after.form(keep).buttons == ["Keep my subscription"]
    assert kept.status_code == 303
    assert again.form(end).buttons == ["End my subscription"]


def test_an_end_that_stripe_does_not_allow_is_left_to_a_person_and_said_so(
    subscriber: TestClient, context: Context, stripe: LocalStripe
) -> None:
    ours = _own(context)
    end = f"/account/subscriptions/{ours.id}/cancel"
    stripe.control("fail_next", kind="error", status=400, method="POST")

    refused = subscriber.post(end)

    assert refused.status_code == 409
    assert "A person will end your subscription" in Page(refused.text).words
    reconciliation.finish_commands(context)
    with context.db.reading() as session:
        task = session.scalars(sa.select(Task)).one()
    assert task.kind == "subscription-not-done"
    assert ours.stripe_subscription_id in task.detail
    assert "what is taken since goes back" in task.detail


@pytest.mark.parametrize("verb", ["cancel", "keep"])
def test_nobody_touches_the_subscription_of_somebody_else(
    subscriber: TestClient, context: Context, verb: str
) -> None:
    address = f"/account/subscriptions/{_own(context).id}/{verb}"
    _sign_in_somebody_else(subscriber, context)

    theirs = subscriber.post(address)
    subscriber.cookies.clear()
    nobody = subscriber.post(address)

    assert theirs.status_code == 400
    assert (nobody.status_code, nobody.headers["location"]) == (
        303,
        "/sign-in?next=%2Faccount",
    )
    assert _own(context).ends_on is None


def test_a_name_is_shown_as_it_was_typed_and_never_read_as_markup(
    client: TestClient, context: Context
) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now, name="<script>alert(1)</script>")
        token = sign_in.begin_session(session, reader_id=reader.id, now=now)
    client.cookies.set("reader", token)

    answer = client.get("/account")

    assert Page(answer.text).titles("h1") == ["<script>alert(1)</script>"]
    assert "<script" not in answer.text


def test_a_tampered_session_is_a_stranger(client: TestClient) -> None:
    client.cookies.set("reader", "tampered")

    assert client.get("/account").status_code == 303
    assert client.get("/support").status_code == 200
