"""What Stripe is told, and what is stored, for everything that may come through its door."""

import gzip
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import SecretStr

from billing.context import Context
from billing.db import Database
from billing.models import OwedState, StripeEvent
from billing.reconciliation import Subject
from billing.settings import Settings
from service.cli import serve
from tests.webhooks.conftest import (
    SECRET,
    Deliver,
    application,
    event_of,
    signed,
    stored,
    tasks,
    with_settings,
)
from webhooks import dispatch, router
from webhooks.router import MOST_BYTES, PATH

BODY = json.dumps(event_of()).encode()


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
    both = with_settings(quiet, stripe_webhook_secrets=secrets)

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


Part = Mapping[str, Any]


async def _speak(door: Any, parts: Iterator[Part], *, signature: str = "") -> int | None:
    """Speak to the door as a server would; return its answer's status. At the end, wait."""
    said: list[Mapping[str, Any]] = []

    async def receive() -> Part:
        for part in parts:
            return part
        await anyio.sleep(60)
        raise AssertionError("it waited for ever")

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    headers = [(b"stripe-signature", signature.encode())]
    scope = {"type": "http", "method": "POST", "headers": headers, "extensions": {}}
    await door(scope, receive, send)
    return said[0]["status"] if said else None


def the_door(context: Context) -> Any:
    return router.Door(context)


def part(body: bytes, *, more: bool) -> Part:
    return {"type": "http.request", "body": body, "more_body": more}


def test_of_a_hundred_megabytes_no_more_is_read_than_we_would_take(quiet: Context) -> None:
    parts = [part(b"x" * 65536, more=True)] * 1600
    left = iter(parts)
    tracemalloc.start()
    status = anyio.run(lambda: _speak(the_door(quiet), left))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (status, len(list(left))) == (413, 1600 - MOST_BYTES // 65536 - 1)
    assert peak < 4 * MOST_BYTES


def test_a_body_that_drips_is_given_up(quiet: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "_PATIENCE", 0.05)
    parts = iter([part(BODY[:10], more=True)])

    assert anyio.run(lambda: _speak(the_door(quiet), parts)) == 408


def test_who_hangs_up_half_way_is_not_answered_and_nothing_is_stored(
    quiet: Context, db: Database
) -> None:
    parts = iter([part(BODY[:10], more=True), {"type": "http.disconnect"}])

    assert anyio.run(lambda: _speak(the_door(quiet), parts)) is None
    assert stored(db) == []


def test_all_bodies_together_are_bounded_and_one_that_ends_makes_room(
    quiet: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "MOST_IN_HAND", 3 * 1000)
    monkeypatch.setattr(router, "_PATIENCE", 0.3)
    door = the_door(quiet)
    answers: list[int | None] = []

    async def hold() -> None:
        answers.append(await _speak(door, iter([part(b"x" * 1000, more=True)])))

    async def crowd() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(hold)
        answers.append(await _speak(door, iter([part(b"x" * 3000, more=False)])))

    anyio.run(crowd)
    assert answers == [503, 408, 408, 408, 400]


@contextmanager
def locked(db: Database) -> Iterator[None]:
    """Let nobody write an event for a while."""
    with db.engine.connect() as holder, holder.begin():
        if not db.is_sqlite:  # there, a transaction is enough
            holder.exec_driver_sql("LOCK TABLE stripe_event IN ACCESS EXCLUSIVE MODE")
        yield


def test_nothing_is_answered_before_it_is_committed(
    quiet: Context, db: Database, door: TestClient
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(db):
            answer = pool.submit(door.post, PATH, **signed(BODY))
            with pytest.raises(TimeoutError):
                answer.result(timeout=0.4)
        assert answer.result(timeout=10).status_code == 200

    assert stored(db) == [("", "evt_1", OwedState.READY, "")]


def test_while_the_database_hangs_stripe_is_asked_to_keep_the_event(
    quiet: Context, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "_PATIENCE", 0.2)
    with TestClient(application(quiet)) as door:
        with locked(db):
            assert door.post(PATH, **signed(BODY)).status_code == 503
        monkeypatch.setattr(router, "_PATIENCE", 15)
        assert door.post(PATH, **signed(BODY)).status_code == 200

    assert stored(db) == [("", "evt_1", OwedState.READY, "")]


def test_a_stop_waits_longer_than_any_event_can_take() -> None:
    assert router._PATIENCE < serve._GRACE


def test_what_a_handler_cannot_bear_is_stored_all_the_same(
    db: Database, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_event: object) -> Subject:
        raise ZeroDivisionError

    monkeypatch.setattr(dispatch, "HANDLERS", {"charge.updated": fail})

    assert deliver(event_of("evt_1", "charge.updated")) == 200
    assert stored(db) == [("", "evt_1", OwedState.READY, "")]


def test_a_thin_event_is_stored_like_any_other(db: Database, deliver: Deliver) -> None:
    thin = {
        "id": "evt_test_65UiV5",
        "object": "v2.core.event",
        "type": "v1.invoice.paid",
        "livemode": False,
        "created": "2025-11-23T10:00:00.000Z",
        "related_object": {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"},
    }

    assert deliver(thin) == 200
    assert deliver({**thin, "id": "evt_2", "context": "acct_1/acct_2"}) == 200
    with db.reading() as session:
        ours, theirs = session.scalars(sa.select(StripeEvent).order_by(StripeEvent.id))
    assert (ours.type, ours.object_id, ours.subject) == ("invoice.paid", "in_1", "invoice:in_1")
    assert ours.created_at == datetime(2025, 11, 23, 10, 0, tzinfo=UTC)
    assert (theirs.account, theirs.outcome) == (
        "acct_1_acct_2",
        "quarantined: account acct_1_acct_2",
    )


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (lambda: {"content": BODY}, 400),
        (lambda: signed(BODY, secret=b"whsec_other"), 400),
        (lambda: signed(BODY, secret=b""), 400),
        (lambda: signed(BODY, at=time.time() - 400), 400),
        (lambda: signed(BODY, at=time.time() + 400), 400),
        (lambda: signed(b"{"), 400),
        (lambda: signed(gzip.compress(BODY)), 400),
        (lambda: signed(b" " * (MOST_BYTES + 1)), 413),
        (lambda: signed(json.dumps(event_of("evt_2", "a.type.of.tomorrow")).encode()), 200),
        (lambda: signed(json.dumps(event_of("evt_3", data={})).encode()), 200),
        (lambda: signed(json.dumps(event_of("evt_4", livemode=True)).encode()), 200),
        (lambda: signed(json.dumps(event_of("evt_5", account="acct_other")).encode()), 200),
    ],
)
def test_only_what_is_not_stripes_or_no_event_is_refused(
    what: Callable[[], dict[str, Any]], status: int, db: Database, door: TestClient
) -> None:
    assert door.post(PATH, **what()).status_code == status
    assert len(stored(db)) == (1 if status == 200 else 0)


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


def test_only_posting_to_the_very_address_is_answered_and_nothing_redirects(
    door: TestClient,
) -> None:
    assert door.get(PATH).status_code == 405
    assert door.post(f"{PATH}/", **signed(BODY)).status_code == 404
