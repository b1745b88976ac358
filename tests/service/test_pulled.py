"""Something is pulled: a web process of two, the worker, the way to Stripe. What readers meet."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import access, checkout, readers, reconciliation, sign_in
from billing.access.provisional import LASTS
from billing.context import Context, open_context
from billing.models import Checkout, Entitlement, EntitlementSource, ReaderLook
from billing.settings import Paywall, Settings
from service.app import build
from tests.service.conftest import ROOT, environment_of
from tests.support.ports import free_port
from tests.support.stripe import LocalStripe
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"paywall": Paywall(limit=3)})


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `billing serve` as it is deployed."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", str(port)],
        cwd=ROOT,
        env={**environment_of(settings), "BILLING_PAYWALL__LIMIT": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(address), seconds=30)
        yield process, address
    finally:
        process.kill()
        process.wait(20)


def answers(address: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"{address}/healthz", trust_env=False).status_code == 200
    return False


def a_subscriber(context: Context) -> str:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        access.grant(
            session,
            reader_id=reader.id,
            source=EntitlementSource.SUBSCRIPTION,
            source_id="one",
            term=access.Term(now, now + timedelta(days=9), "Subscription"),
            now=now,
        )
        return sign_in.begin_session(session, reader_id=reader.id, now=now)


def test_with_one_web_process_of_two_killed_the_other_knows_all_that_was_counted(
    context: Context, settings: Settings
) -> None:
    with (
        serving(settings) as (first, at_first),
        serving(settings) as (_, at_second),
        httpx2.Client(trust_env=False) as browser,
    ):

        def read(address: str, article: str) -> str:
            answer = browser.get(f"{address}/paywall/v1/check", params={"article": article})
            return str(answer.json()["reason"])

        reasons = [read(at_first, "a"), read(at_second, "b"), read(at_first, "c")]
        os.kill(first.pid, signal.SIGKILL)
        reasons += [read(at_second, article) for article in "cdab"]
        browser.cookies.clear()
        browser.cookies.set("reader", a_subscriber(context))
        reasons.append(read(at_second, "d"))
    assert reasons == [
        *["metered"] * 3,
        "reread",
        "limit_reached",
        "reread",
        "reread",
        "subscriber",
    ]


def test_with_the_way_to_stripe_gone_everybody_is_answered_as_ever(context: Context) -> None:
    cookie = a_subscriber(context)
    gone = context.settings.model_copy(
        update={"stripe_api_base": f"http://localhost:{free_port()}"}
    )
    alone = open_context(gone)
    with TestClient(build(alone), base_url="http://localhost:8000") as client:
        reasons = [
            client.get("/paywall/v1/check", params={"article": article}).json()["reason"]
            for article in "abcdb"
        ]
        client.cookies.set("reader", cookie)
        reasons.append(client.get("/paywall/v1/check?article=d").json()["reason"])
    alone.db.close()
    assert reasons == [*["metered"] * 3, "limit_reached", "reread", "subscriber"]


def test_with_the_worker_gone_who_has_paid_reads_for_a_minute_and_again_once_it_is_back(
    context: Context, stripe: LocalStripe
) -> None:
    """What the return page has settled needs no worker; here its rights are lost on top."""
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader_id = readers.create(session, now=now).id
        cookie = sign_in.begin_session(session, reader_id=reader_id, now=now)
    started = checkout.start_subscription(
        context, lookup_key="digital-month-standard", reader_id=reader_id, shown={}, caller=""
    )
    stripe.pay(started.url)
    with context.db.reading() as session:
        theirs = session.get_one(Checkout, started.checkout_id)
    checkout.settle(context, str(theirs.stripe_session_id))
    none_free = context.settings.model_copy(update={"paywall": Paywall(limit=0)})
    with TestClient(
        build(replace(context, settings=none_free)), base_url="http://localhost:8000"
    ) as client:
        client.cookies.set("reader", cookie)

        def reason() -> str:
            return str(client.get("/paywall/v1/check?article=a").json()["reason"])

        assert reason() == "subscriber"
        with context.db.unit_of_work() as session:
            session.execute(sa.delete(Entitlement))
        until(lambda: reason() == "provisional")
        stripe.advance(seconds=int(LASTS.total_seconds()) + 1)
        assert reason() == "limit_reached"
        with context.db.reading() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(ReaderLook)) == 1
        assert reconciliation.look_at_due_readers(context, most=5) == 1
        until(lambda: reason() == "subscriber")
