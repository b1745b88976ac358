"""The database is pulled: readers meet what the settings say, and the staff hear of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from billing import access, readers, sign_in
from billing.context import Context, open_context
from billing.db import Database
from billing.migrations.run import upgrade
from billing.models import EntitlementSource, Task
from billing.settings import Paywall, Settings
from service.app import build
from tests.support import postgres
from tests.support.waiting import until

CHECK, AUTH, FRONT = (f"/paywall/v1/{face}?article=a" for face in ("check", "auth", "front"))

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]


@dataclass
class Paper:
    """A web process on a database of its own, which can be pulled."""

    server: postgres.Server
    context: Context
    subscriber: str

    def with_setting(self, **paywall: str) -> Context:
        changed = self.context.settings.model_copy(update={"paywall": Paywall(limit=3, **paywall)})
        return replace(self.context, settings=changed)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    try:
        running = postgres.own_server()
    except postgres.NoPostgresqlError as none_here:
        pytest.skip(f"no PostgreSQL: {none_here}")
    yield running
    running.stop()


@pytest.fixture
def paper(server: postgres.Server, tmp_path: Path) -> Iterator[Paper]:
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as admin:
        admin.exec_driver_sql("DROP DATABASE IF EXISTS pulled_test WITH (FORCE)")
        admin.exec_driver_sql("CREATE DATABASE pulled_test")
    url = server.url.set(database="pulled_test").render_as_string(hide_password=False)
    upgrade(url)
    catalogue = Path(__file__).resolve().parents[3] / "catalogue.toml"
    context = open_context(Settings(database_url=url, catalogue=catalogue, log_format="text"))
    yield Paper(server, context, a_subscriber(context.db))
    context.db.close()


def a_subscriber(db: Database) -> str:
    """Return the cookie of somebody with a right."""
    now = datetime.now(UTC)
    with db.unit_of_work() as session:
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


def browser(context: Context) -> TestClient:
    return TestClient(build(context), base_url="http://localhost:8000")


def reason(client: TestClient) -> tuple[str, str]:
    body = client.get(CHECK).json()
    return body["access"], body["reason"]


def test_by_default_everybody_reads_on_while_the_database_is_gone_and_the_staff_are_told(
    paper: Paper,
) -> None:
    with browser(paper.with_setting()) as client:
        assert reason(client) == ("granted", "metered")
        paper.server.stop()
        client.cookies.clear()
        until(lambda: reason(client) == ("granted", "outage"))
        assert client.get(AUTH).status_code == 204
        front = client.get(FRONT).json()["articles"]["a"]
        assert (front["access"], front["reason"]) == ("granted", "outage")
        client.cookies.set("reader", paper.subscriber)
        assert reason(client) == ("granted", "outage")

        paper.server.begin()
        until(lambda: reason(client) == ("granted", "subscriber"))

    with paper.context.db.reading() as session:
        [task] = session.scalars(sa.select(Task).where(Task.kind == "wall-outage"))
    assert "answered outage" in task.detail
    assert "CHECK_WHEN_DOWN" in task.detail


def test_closed_nobody_reads_while_it_is_gone_and_each_is_told_why(paper: Paper) -> None:
    closed = paper.with_setting(check_when_down="closed", auth_when_down="closed")
    with browser(closed) as client:
        client.cookies.set("reader", paper.subscriber)
        assert reason(client) == ("granted", "subscriber")
        paper.server.stop()
        try:
            until(lambda: reason(client) == ("denied", "unavailable"))
            body = client.get(CHECK).json()
            assert body["message"] == body["because"]
            assert "few minutes" in body["message"]
            assert client.get(AUTH).status_code in (401, 403)
        finally:
            paper.server.begin()
        until(lambda: reason(client) == ("granted", "subscriber"))


def test_by_passes_only_who_holds_a_good_one_reads_while_it_is_gone(paper: Paper) -> None:
    strict = paper.with_setting(check_when_down="passes", auth_when_down="passes")
    with browser(strict) as client:
        client.cookies.set("reader", paper.subscriber)
        assert reason(client) == ("granted", "subscriber")
        assert "pass" in client.cookies
        paper.server.stop()
        try:
            until(lambda: reason(client) == ("granted", "outage"))
            assert client.get(AUTH).status_code == 204
            good = client.cookies["pass"]
            client.cookies.delete("pass")
            assert reason(client) == ("denied", "unavailable")
            head, claims, signature = good.split(".")
            client.cookies.set("pass", f"{head}.{claims}.{signature[:-4]}AAAA")
            assert reason(client) == ("denied", "unavailable")
        finally:
            paper.server.begin()


def test_each_face_has_a_setting_of_its_own(paper: Paper) -> None:
    mixed = paper.with_setting(check_when_down="closed", auth_when_down="open")
    with browser(mixed) as client:
        paper.server.stop()
        try:
            until(lambda: reason(client) == ("denied", "unavailable"))
            assert client.get(AUTH).status_code == 204
        finally:
            paper.server.begin()


def test_a_database_that_hangs_holds_nobody_up_for_long_and_is_found_again(paper: Paper) -> None:
    with browser(paper.with_setting()) as client:
        client.cookies.set("reader", paper.subscriber)
        assert reason(client) == ("granted", "subscriber")
        with paper.server.frozen():
            until(lambda: reason(client) == ("granted", "outage"), seconds=20)
            for _ in range(20):  # those who come later do not wait for what is known to hang
                assert reason(client)[0] == "granted"
        until(lambda: reason(client) == ("granted", "subscriber"), seconds=20)
