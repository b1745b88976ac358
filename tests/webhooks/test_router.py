"""What Stripe is told, and what is stored, for everything that may come through its door."""

import gzip
import json
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import SecretStr

from billing.context import Context
from billing.db import Database
from billing.models import OwedState, StripeEvent, Task
from billing.settings import Settings
from tests.webhooks.conftest import SECRET, Deliver, application, event_of, signed
from webhooks import router
from webhooks.router import MOST_BYTES, PATH

BODY = json.dumps(event_of()).encode()


def stored(db: Database) -> list[tuple[str, str, OwedState, str]]:
    with db.reading() as session:
        rows = session.scalars(sa.select(StripeEvent).order_by(StripeEvent.id))
        return [(row.account, row.event_id, row.state, row.outcome) for row in rows]


def tasks(db: Database) -> list[tuple[str, str]]:
    with db.reading() as session:
        return [(t.kind, t.subject) for t in session.scalars(sa.select(Task).order_by(Task.id))]


def chunks(*, of: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * of


def test_an_event_is_stored_as_it_came_and_then_answered(db: Database, door: TestClient) -> None:
    answer = door.post(PATH, **signed(BODY))

    assert (answer.status_code, answer.json()) == (200, {"outcome": "received"})
    with db.reading() as session:
        row = session.scalars(sa.select(StripeEvent)).one()
    assert (row.account, row.event_id, row.type, row.object_id, row.livemode, row.api_version) == (
        "",
        "evt_1",
        "customer.created",
        "cus_1",
        False,
        "2026-10-28.endive",
    )
    assert row.body == BODY
    assert row.created_at == datetime(2025, 11, 23, 10, 0, tzinfo=UTC)
    assert (row.state, row.attempts, row.outcome) == (OwedState.READY, 0, "")
    assert set(row.headers) == {"stripe-signature", "user-agent"}


def test_the_same_event_again_is_answered_and_not_stored_again(
    db: Database, door: TestClient
) -> None:
    answers = [door.post(PATH, **signed(BODY)).json() for _ in range(2)]

    assert answers == [{"outcome": "received"}, {"outcome": "received before"}]
    assert stored(db) == [("", "evt_1", OwedState.READY, "")]


def test_one_event_delivered_by_eight_at_once_is_stored_once(
    db: Database, deliver: Deliver
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(deliver, [event_of()] * 24))

    assert answers == [200] * 24
    assert stored(db) == [("", "evt_1", OwedState.READY, "")]


def test_without_a_signature_nothing_is_stored(db: Database, door: TestClient) -> None:
    answer = door.post(PATH, content=BODY)

    assert (answer.status_code, answer.json()) == (400, {"error": "no signature"})
    assert stored(db) == []


def test_a_raw_byte_in_the_header_is_refused_and_nothing_worse(door: TestClient) -> None:
    header = b"t=%d,v1=\xff\xe9" % time.time()

    answer = door.post(PATH, content=BODY, headers={b"stripe-signature": header})

    assert (answer.status_code, answer.json()) == (400, {"error": "no signature matches"})


def test_an_old_signature_is_refused(db: Database, door: TestClient) -> None:
    answer = door.post(PATH, **signed(BODY, at=time.time() - 400))

    assert (answer.status_code, answer.json()) == (400, {"error": "the signature is too old"})
    assert tasks(db) == []


def test_a_signature_from_the_future_is_refused_and_the_staff_told_of_the_clock(
    quiet: Context, db: Database, door: TestClient
) -> None:
    answers = [door.post(PATH, **signed(BODY, at=time.time() + 400)) for _ in range(2)]

    assert [a.status_code for a in answers] == [400, 400]
    assert stored(db) == []
    assert tasks(db) == [("clock", quiet.clock.now().date().isoformat())]


def test_an_event_is_taken_under_either_of_two_secrets(quiet: Context) -> None:
    secrets = (SecretStr("whsec_old"), SecretStr("whsec_new"))
    both = _with(quiet, stripe_webhook_secrets=secrets)

    with TestClient(application(both)) as door:
        answers = [
            door.post(PATH, **signed(BODY, secret=secret)).status_code
            for secret in (b"whsec_old", b"whsec_new", SECRET)
        ]

    assert answers == [200, 200, 400]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not strict JSON"),
        (b"{", "not strict JSON"),
        (b"[]", "not an object"),
        (b"\xff", "not strict JSON"),
        (BODY.replace(b"1763892000", b"NaN"), "not strict JSON"),
        (BODY.replace(b'"id": "evt_1"', b'"id": "evt_1", "id": "evt_2"'), "not strict JSON"),
        (json.dumps(event_of("evt_\x00")).encode(), "no id"),
        (json.dumps(event_of("evt_\ud800")).encode(), "no id"),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused_with_the_reason(
    body: bytes, reason: str, db: Database, door: TestClient
) -> None:
    answer = door.post(PATH, **signed(body))

    assert (answer.status_code, answer.json()) == (400, {"error": reason})
    assert stored(db) == []


def test_a_compressed_body_is_refused(door: TestClient) -> None:
    what = signed(gzip.compress(BODY))
    what["headers"]["content-encoding"] = "gzip"

    answer = door.post(PATH, **what)

    assert (answer.status_code, answer.json()) == (400, {"error": "the body is compressed"})


def test_the_biggest_body_is_taken_and_one_byte_more_is_not(door: TestClient) -> None:
    fits = BODY + b" " * (MOST_BYTES - len(BODY))

    assert door.post(PATH, **signed(fits)).status_code == 200
    assert door.post(PATH, **signed(fits + b" ")).status_code == 413


def test_a_body_of_unsaid_length_is_refused_once_it_is_too_big(door: TestClient) -> None:
    answer = door.post(PATH, content=chunks(of=64 * 1024, count=17))

    assert (answer.status_code, answer.json()) == (413, {"error": "the body is too big"})
    assert answer.headers["connection"] == "close"


async def _drip(door: Any, *, count: int) -> tuple[int, int]:
    """Speak to the door as a server would; return the status, and how much it read."""
    read, said = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 65536, "more_body": read < count}

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    await door({"type": "http", "method": "POST", "headers": [], "extensions": {}}, receive, send)
    return said[0]["status"], read


def test_of_a_hundred_megabytes_no_more_is_read_than_we_would_take(quiet: Context) -> None:
    import anyio

    door = router.build(quiet).routes[0].app  # type: ignore[attr-defined]
    tracemalloc.start()
    status, read = anyio.run(lambda: _drip(door, count=1600))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (status, read) == (413, MOST_BYTES // 65536 + 1)
    assert peak < 4 * MOST_BYTES


def test_while_the_database_is_down_stripe_is_asked_to_keep_the_event(
    quiet: Context, settings: Settings
) -> None:
    gone = Database("sqlite:////nowhere/at/all.db")
    if not quiet.db.is_sqlite:
        gone = Database("postgresql+psycopg://nobody@127.0.0.1:1/none_test")
    broken = Context(gone, settings, quiet.catalogue, quiet.gateway, quiet.clock)

    with TestClient(application(broken)) as door:
        answer = door.post(PATH, **signed(BODY))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_an_event_of_the_other_mode_is_kept_apart_and_the_staff_told_once(
    db: Database, deliver: Deliver
) -> None:
    answers = [deliver(event_of(f"evt_{n}", livemode=True)) for n in (1, 2)]

    assert answers == [200, 200]
    assert stored(db) == [
        ("", "evt_1", OwedState.DONE, "quarantined: live mode"),
        ("", "evt_2", OwedState.DONE, "quarantined: live mode"),
    ]
    assert tasks(db) == [("quarantined_event", "live mode")]


def test_an_event_of_another_account_is_kept_apart(db: Database, deliver: Deliver) -> None:
    assert deliver(event_of(account="acct_other")) == 200
    assert deliver(event_of()) == 200

    assert stored(db) == [
        ("acct_other", "evt_1", OwedState.DONE, "quarantined: account acct_other"),
        ("", "evt_1", OwedState.READY, ""),
    ]
    assert tasks(db) == [("quarantined_event", "account acct_other")]


def test_our_own_account_by_its_name_is_our_own(quiet: Context) -> None:
    named = _with(quiet, stripe_account="acct_ours")
    with TestClient(application(named)) as door:
        for event in (event_of(account="acct_ours"), event_of()):
            door.post(PATH, **signed(json.dumps(event).encode()))

    assert stored(quiet.db) == [("", "evt_1", OwedState.READY, "")]


def test_only_posting_to_the_very_address_is_answered_and_nothing_redirects(
    door: TestClient,
) -> None:
    assert door.get(PATH).status_code == 405
    assert door.post(f"{PATH}/", **signed(BODY)).status_code == 404


def _with(context: Context, **changed: Any) -> Context:
    changed_settings = context.settings.model_copy(update=changed)
    return Context(context.db, changed_settings, context.catalogue, context.gateway, context.clock)
