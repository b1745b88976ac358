"""The application as it is served: both doors in it, and what machines ask of it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from billing.context import Context
from billing.models import Heartbeat, StripeEvent
from service import worker
from service.app import Application, build
from tests.webhooks.conftest import event_of, signed


def test_a_process_that_answers_is_alive(client: TestClient) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_process_on_a_migrated_database_is_ready_and_knows_its_worker(
    client: TestClient, context: Context
) -> None:
    before = client.get("/readyz")
    worker.beat(context)
    after = client.get("/readyz")

    assert (before.status_code, after.status_code) == (200, 200)
    assert (before.json()["worker"], after.json()["worker"]) == ("never seen", "ok")
    assert after.headers["cache-control"] == "no-store"


def test_a_worker_that_stopped_is_told_and_the_pages_stay(
    client: TestClient, context: Context
) -> None:
    worker.beat(context)
    with context.db.unit_of_work() as session:
        long_ago = datetime.now(UTC) - timedelta(minutes=2)
        session.execute(sa.update(Heartbeat).values(at=long_ago))

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["worker"]) == (200, "late")


def test_a_process_on_a_database_of_another_version_is_not_ready(
    client: TestClient, context: Context
) -> None:
    with context.db.unit_of_work() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"database": "ok", "migrations": "different", "worker": "unknown"}


def test_a_process_whose_database_is_gone_is_alive_and_not_ready(
    client: TestClient, context: Context
) -> None:
    with context.db.unit_of_work() as session:
        session.execute(sa.text("ALTER TABLE heartbeat RENAME TO heartbeat_gone"))

    assert client.get("/healthz").status_code == 200
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["database"]) == (
        503,
        "unreachable",
    )


@pytest.mark.parametrize("origin", [{}, {"origin": "https://elsewhere.example"}])
def test_stripe_comes_in_by_its_signature_alone(
    origin: dict[str, str], client: TestClient, context: Context
) -> None:
    what = signed(json.dumps(event_of()).encode())
    what["headers"] |= origin

    assert client.post("/webhooks/stripe", **what).status_code == 200
    with context.db.reading() as session:
        assert session.scalar(sa.select(StripeEvent.event_id)) == "evt_1"


def test_events_and_the_wall_are_reached_straight_away_whatever_becomes_of_the_pages(
    context: Context,
) -> None:
    whole = build(context)
    there = TestClient(Application(FastAPI(), whole.door, whole.wall))

    assert there.post("/webhooks/stripe", **signed(json.dumps(event_of()).encode())).json() == {
        "outcome": "received"
    }
    assert there.get("/webhooks/stripe").status_code == 404
    assert there.get("/paywall/v1/check?article=a").json()["reason"] == "metered"
    whole.door.writer.close()
    whole.wall.wall.close()


def test_no_address_of_a_machine_redirects(client: TestClient) -> None:
    paths = ("/webhooks/stripe/", "/healthz/", "/readyz/")

    assert [client.post(path).status_code // 100 for path in paths] == [4, 4, 4]


def test_an_oversized_event_is_refused_by_the_whole_application_too(client: TestClient) -> None:
    assert client.post("/webhooks/stripe", **signed(b"x" * (1024 * 1024 + 1))).status_code == 413


def test_more_people_at_once_than_there_are_connections_all_get_their_page(
    context: Context,
) -> None:
    """Each page holds a connection while it waits for a thread; too many would wait for ever."""
    whole = build(context)

    async def everybody() -> list[int]:
        transport = httpx2.ASGITransport(app=whole)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost:8000", timeout=20
        ) as crowd:
            cookie = {"Cookie": "reader=made-up"}
            asked = [crowd.get("/give?article=a", headers=cookie) for _ in range(150)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert set(asyncio.run(everybody())) == {303}
    whole.wall.wall.close()
