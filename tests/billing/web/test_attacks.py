"""What strangers try at our doors, and what they must not get by it."""

import threading
import time
from datetime import datetime

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import checkout, office, readers, sign_in
from billing.checkout.tokens import return_token
from billing.context import Context
from billing.models import (
    Checkout,
    CheckoutStatus,
    Command,
    OutboxMessage,
    OwedState,
    RateLimit,
    Reader,
    Role,
    StripeEvent,
    Subscription,
)
from service import logs
from service.app import build
from tests.support.pages import Page
from tests.support.stripe import LocalStripe
from tests.webhooks.conftest import event_of
from tests.webhooks.heard import receive
from webhooks import event, inbox

HERE = "http://localhost:8000"
MONTHLY = "digital-month-standard"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def start(client: TestClient, price: str = MONTHLY) -> str:
    answer = client.post("/checkout/subscription", data={"price": price})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def sign_in_proved(client: TestClient, context: Context, email: str) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.verify_and_merge(session, email, now=now)
        client.cookies.set("reader", sign_in.begin_session(session, reader_id=reader.id, now=now))


@pytest.mark.parametrize(
    "form",
    [
        b"price=digital-month-standard&source=a%00b",
        b"price=a%00b",
        b"appeal=95th-anniversary&amount=25&source=a%00b",
    ],
)
def test_a_nul_in_a_form_is_unreadable_and_writes_nothing(
    client: TestClient, context: Context, form: bytes
) -> None:
    kind = "donation" if form.startswith(b"appeal") else "subscription"

    answer = client.post(f"/checkout/{kind}", content=form, headers=FORM)

    assert answer.status_code == 422
    with context.db.reading() as session:
        assert session.scalars(sa.select(Checkout.id)).all() == []


@pytest.mark.parametrize("digits", [27, 60, 150])
def test_an_amount_beyond_all_reckoning_is_refused_in_words(
    client: TestClient, digits: int
) -> None:
    answer = client.post(
        "/checkout/donation",
        data={"appeal": "95th-anniversary", "amount": "9" * digits, "other": "1"},
    )

    assert answer.status_code == 422
    assert "Not sent yet" in Page(answer.text).words


def test_whoever_signed_out_is_a_stranger_at_the_next_checkout_in_that_browser(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    sign_in_proved(client, context, "rosa@example.org")
    start(client)  # and turns back at Stripe's page
    before = dict(client.cookies)
    client.post("/sign-out")
    assert "checkout" not in client.cookies

    client.cookies.set("checkout", before["checkout"])  # however it came to be kept
    theirs = stripe.client.v1.checkout.sessions.retrieve(start(client).rsplit("/", 1)[1])

    assert theirs.customer_email is None
    with context.db.reading() as session:
        rosa, other = session.scalars(sa.select(Checkout).order_by(Checkout.created_at))
        assert rosa.reader_id != other.reader_id
        assert rosa.status is CheckoutStatus.OPEN, "nor is anything of hers given up"


def test_who_paid_and_never_came_back_is_not_sold_the_same_again_in_that_browser(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    stripe.pay(start(client))
    with context.db.unit_of_work() as session:
        session_id = session.scalars(sa.select(Checkout.stripe_session_id)).one()
    checkout.settle(context, str(session_id))  # as the webhook does

    answer = client.post("/checkout/subscription", data={"price": MONTHLY})

    assert answer.status_code == 409
    assert Page(answer.text).titles("h1") == ["You already subscribe"]


def test_starting_subscriptions_too_often_is_stopped_before_anything_is_written(
    client: TestClient, context: Context
) -> None:
    answers = []
    for _ in range(32):
        client.cookies.clear()
        answers.append(client.post("/checkout/subscription", data={"price": MONTHLY}))

    assert [answer.status_code for answer in answers] == [303] * 30 + [429] * 2
    assert "Please wait a little" in Page(answers[-1].text).words
    with context.db.reading() as session:
        for table in (Checkout, Command, Reader):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 30


def test_keeping_and_ending_over_and_over_does_not_flood_a_mailbox_and_ending_always_works(
    client: TestClient, context: Context, stripe: LocalStripe
) -> None:
    back = stripe.pay(start(client), email="victim@example.org")
    client.get(back.removeprefix(HERE))
    with context.db.reading() as session:
        ours = session.scalars(sa.select(Subscription.id)).one()
    kept = []
    for _ in range(8):
        assert client.post(f"/account/subscriptions/{ours}/cancel").status_code == 303
        kept.append(client.post(f"/account/subscriptions/{ours}/keep").status_code)
        stripe.advance(seconds=2)

    assert kept == [303] * 5 + [429] * 3
    with context.db.reading() as session:
        mails = session.scalars(
            sa.select(OutboxMessage).where(OutboxMessage.kind == "subscription_ending")
        ).all()
        assert session.scalars(sa.select(Subscription.ends_on)).one() is not None
    assert len(mails) == 6


def test_coming_back_over_and_over_asks_stripe_only_so_often(
    client: TestClient, context: Context, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counting(context: Context, stripe_session_id: str) -> None:
        asked.append(stripe_session_id)
        checkout.settle(context, stripe_session_id)

    monkeypatch.setattr("billing.checkout.come_back.settle", counting)
    url = start(client)
    with context.db.reading() as session:
        ours = session.scalars(sa.select(Checkout.id)).one()
    here = f"/checkout/{ours}/return?token={return_token(context.settings, ours)}"

    for _ in range(25):
        assert client.get(here).status_code == 303
    assert len(asked) == 20

    stripe.advance(seconds=3601)
    stripe.pay(url)
    for _ in range(3):
        assert client.get(here).status_code == 303
    assert len(asked) == 21, "what is settled is not asked about again"


def test_what_is_logged_of_a_failure_names_no_token(
    context: Context, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def down(*_args: object, **_values: object) -> None:
        raise sa.exc.OperationalError("select", {}, Exception("no route"))

    monkeypatch.setattr(sign_in, "redeem_link", down)
    monkeypatch.setattr(sign_in, "address_of_link", down)
    logs.configure("json")
    app = build(context)
    with TestClient(app, base_url=HERE) as client:
        for door in ("/sign-in", "/office/sign-in"):
            assert client.post(f"{door}/a-working-token").status_code == 503
            assert client.get(f"{door}/a-working-token").status_code == 503

    said = capfd.readouterr().err
    assert said.count("/sign-in/{token}") == 4
    assert "a-working-token" not in said


def test_a_pool_without_a_free_connection_is_said_to_be_busy(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_values: object) -> None:
        raise sa.exc.TimeoutError("QueuePool limit reached")

    monkeypatch.setattr(sign_in, "address_of_link", full)
    with TestClient(build(context), base_url=HERE) as client:
        answer = client.get("/sign-in/x")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


@pytest.mark.slow
def test_the_wall_answers_while_every_other_thread_waits_for_stripe(
    context: Context, stripe: LocalStripe
) -> None:
    stripe.control(
        "fail_next", method="POST", path_prefix="/v1/checkout/sessions", status=0, delay=4, times=60
    )

    def give(number: int) -> None:
        client.post(
            "/checkout/donation",
            data={"appeal": "95th-anniversary", "amount": "25"},
            headers={"x-forwarded-for": f"198.51.100.{number}"},
        )

    with TestClient(build(context), base_url=HERE, client=("127.0.0.1", 1)) as client:
        crowd = [threading.Thread(target=give, args=(n,)) for n in range(50)]
        for one in crowd:
            one.start()
        time.sleep(1.5)
        began = time.monotonic()
        answer = client.get("/paywall/v1/check?article=a1")
        alive = client.get("/healthz")
        took = time.monotonic() - began
        for one in crowd:
            one.join()

    assert (answer.status_code, alive.status_code) == (200, 200)
    assert took < 1.5


def test_a_task_no_database_can_number_is_not_found(
    client: TestClient, context: Context, now: datetime
) -> None:
    with context.db.unit_of_work() as session:
        staff = office.add_staff(
            session, email="a@example.org", name="A", role=Role.ADMIN, actor="test", now=now
        )
        token = sign_in.begin_session(session, staff_id=staff.id, now=context.clock.now())
    client.cookies.set("staff", token)

    assert client.post(f"/office/tasks/{10**30}/close").status_code == 404
    assert client.post(f"/office/tasks/{2**63}/close").status_code == 404


def test_who_asked_too_often_cannot_use_up_the_tries_of_others(
    client: TestClient, context: Context
) -> None:
    for n in range(60):
        client.cookies.clear()
        assert client.post("/sign-in", data={"email": f"r{n}@example.org"}).status_code == 303
    with context.db.reading() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(RateLimit))
    for _ in range(6):
        client.cookies.clear()
        answer = client.post("/sign-in", data={"email": "victim@example.org"})
        assert answer.status_code == 429
    with context.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(RateLimit)) == before

    elsewhere = {"x-forwarded-for": "203.0.113.9"}
    with TestClient(build(context), base_url=HERE, client=("127.0.0.1", 1)) as victim:
        answer = victim.post(
            "/sign-in",
            data={"email": "victim@example.org"},
            headers=elsewhere,
            follow_redirects=False,
        )
    assert answer.status_code == 303


def test_an_event_that_cannot_be_read_again_does_not_hold_up_the_others(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(context, event_of("evt_1", "a.b"), event_of("evt_2", "a.b"))
    real = event.read

    def read(body: bytes) -> event.Event:
        said = real(body)
        if said.id == "evt_1":
            raise event.MalformedError("not strict JSON")
        return said

    monkeypatch.setattr(event, "read", read)
    assert inbox.handle_due(context, most=10) == 2
    with context.db.reading() as session:
        states = session.execute(
            sa.select(StripeEvent.event_id, StripeEvent.state).order_by(StripeEvent.id)
        ).all()
    assert [tuple(s) for s in states] == [("evt_1", OwedState.READY), ("evt_2", OwedState.DONE)]
