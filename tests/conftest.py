"""Fixtures. Everything is real: both databases, the SDK over HTTP, a mail server on a socket."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import postgres
from tests.support.databases import PostgresqlTemplate, SqliteTemplate
from tests.support.ports import free_port
from tests.support.smtp import MailCatcher
from tests.support.stripe import KEY, ROOT, LocalStripe, StripeProcess

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from billing.clock import Clock
    from billing.context import Context
    from billing.db import Database
    from billing.settings import Settings

SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"
WEBHOOK_SECRET = "whsec_only_for_tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--fast`."""
    parser.addoption(
        "--fast",
        action="store_true",
        help="SQLite only, no browser, nothing slow: under a minute",
    )


def pytest_configure() -> None:
    """Forget whatever the developer's own shell sets: the tests say what they need."""
    for name in [name for name in os.environ if name.startswith("BILLING_")]:
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL; with `--fast`, leave out what is not fast."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and "postgresql" in callspec.params.values():
            item.add_marker(pytest.mark.postgresql)
    if config.getoption("--fast"):
        slow = {"postgresql", "browser", "slow"}
        left_out = [i for i in items if slow & {m.name for m in i.iter_markers()}]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [i for i in items if i not in set(left_out)]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Keep what passed, failed and was skipped, and why, for whoever has the last word."""
    if config.cache is None:
        return
    counted = terminalreporter.stats
    why = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in counted.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    words = ("passed", "failed", "error", "skipped", "deselected")
    lines = [f"skipped {number}: {reason}" for reason, number in sorted(why.items())]
    counts = [f"{len(counted[word])} {word}" for word in words if counted.get(word)]
    config.cache.set("summary", [*lines, ", ".join(counts)])


@dataclass(frozen=True)
class Ports:
    """Where this worker's local Stripe and mail server listen, once somebody needs them."""

    stripe: int
    smtp: int


@pytest.fixture(scope="session")
def ports() -> Ports:
    return Ports(stripe=free_port(), smtp=free_port())


@pytest.fixture(scope="session")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the local Stripe says how far it moved time."""
    return tmp_path_factory.mktemp("clock") / "offset"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_template(worker_id: str) -> Iterator[PostgresqlTemplate]:
    try:
        server = postgres.server_url()
    except postgres.NoPostgresqlError as none_here:
        pytest.skip(f"no PostgreSQL: {none_here}")
    template = PostgresqlTemplate(server, worker_id)
    yield template
    template.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh, migrated database, on each kind in turn."""
    template = request.getfixturevalue(f"{request.param}_template")
    with template.fresh() as url:
        yield url


@pytest.fixture
def db(database_url: str) -> "Iterator[Database]":
    """A fresh, migrated database, on each kind in turn."""
    from billing.db import Database

    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def now() -> datetime:
    """A Monday morning in November."""
    return datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture
def clock(clock_file: Path) -> "Clock":
    """The system's clock, moved as the local Stripe moves it."""
    from billing.clock import Clock

    return Clock(clock_file)


@pytest.fixture
def settings(database_url: str, clock_file: Path, ports: Ports) -> "Settings":
    """Settings under which everything may start."""
    from pydantic import SecretStr

    from billing.settings import Mail, Settings

    return Settings(
        database_url=database_url,
        catalogue=ROOT / "catalogue.toml",
        secret_key=SecretStr(SECRET_KEY),
        stripe_key=SecretStr(KEY),
        stripe_api_base=f"http://localhost:{ports.stripe}",
        stripe_webhook_secrets=(SecretStr(WEBHOOK_SECRET),),
        clock_offset_file=clock_file,
        log_format="text",
        mail=Mail(port=ports.smtp),
    )


@pytest.fixture(scope="session")
def stripe_process(
    tmp_path_factory: pytest.TempPathFactory, ports: Ports, clock_file: Path
) -> Iterator[StripeProcess]:
    process = StripeProcess(
        tmp_path_factory.mktemp("stripe"), port=ports.stripe, clock_file=clock_file
    )
    try:
        yield process.wait()
    finally:
        process.stop()


@pytest.fixture
def _without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait who would wait in real seconds: the SDK between tries, a round for the slow.

    What they wait for is not at stake here; that they try again, and look once more, is.
    """
    from stripe import HTTPClient

    from billing.reconciliation import rounds, verify

    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0)
    monkeypatch.setattr(rounds, "PATIENCE", 0.1)
    monkeypatch.setattr(verify, "PATIENCE", 0.1)


@pytest.fixture
def stripe(stripe_process: StripeProcess, _without_a_pause: None) -> Iterator[LocalStripe]:
    """The local Stripe, as new."""
    local = LocalStripe(stripe_process.url, stripe_process.file)
    local.reset()
    yield local
    local.close()


@pytest.fixture
def context(db: "Database", settings: "Settings", stripe: LocalStripe) -> "Iterator[Context]":
    """A process's hold on everything, with the catalogue pushed to the local Stripe."""
    from billing.catalogue.push import push
    from billing.context import open_context

    del db, stripe  # only that they are there
    opened = open_context(settings)
    push(opened.db, opened.gateway, opened.catalogue, now=opened.clock.now())
    yield opened
    opened.db.close()


@pytest.fixture
def client(context: "Context") -> "Iterator[TestClient]":
    """A browser without JavaScript, before the whole application."""
    from fastapi.testclient import TestClient

    from service.app import build

    app = build(context)
    with TestClient(app, base_url="http://localhost:8000", follow_redirects=False) as browser:
        yield browser


@pytest.fixture(scope="session")
def mail_catcher(ports: Ports) -> Iterator[MailCatcher]:
    catcher = MailCatcher(ports.smtp)
    catcher.start()
    yield catcher
    catcher.stop()


@pytest.fixture
def smtp(mail_catcher: MailCatcher) -> MailCatcher:
    """A mail server which has had no mail yet."""
    mail_catcher.forget()
    return mail_catcher
