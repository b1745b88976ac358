"""The wheel, installed where nothing else is, does the whole job against PostgreSQL."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from billing.clock import Clock, month_of
from billing.db import Database
from billing.migrations import run as migrations
from billing.settings import Settings
from tests.service.conftest import ROOT, environment_of
from tests.support.ports import free_port
from tests.support.smtp import MailCatcher
from tests.support.stripe import LocalStripe

PATIENCE = 60.0
PACKAGES = ("billing", "demo", "emails", "sandbox", "service", "webhooks")
PAPERS = ("pyproject.toml", "README.md", "LICENSE")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]


class Installed:
    """The product in an empty environment, run from a directory that is not the checkout."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = environment
        self.python = home / "venv/bin/python"

    def install(self) -> None:
        venv.create(self.home / "venv", with_pip=True)
        self._pip("--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.txt")
        self._pip(self._wheel())

    def billing(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.home / "venv/bin/billing", *arguments],
            cwd=self.home, env=self.environment, capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip

    @contextmanager
    def running(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        with (self.home / f"{arguments[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [self.home / "venv/bin/billing", *arguments],
                cwd=self.home, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def _wheel(self) -> Path:
        """Build it from a copy, so that the checkout stays as it is."""
        source = self.home / "source"
        source.mkdir()
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, source / package, ignore=ignored)
        for paper in PAPERS:
            shutil.copy(ROOT / paper, source)
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", self.home],
            cwd=source, check=True, capture_output=True,
        )  # fmt: skip
        shutil.rmtree(source)
        (wheel,) = self.home.glob("*.whl")
        return wheel

    def _pip(self, *what: str | Path) -> None:
        done = subprocess.run(
            [self.python, *PIP, *what], cwd=self.home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def emptied(database_url: str) -> None:
    database = Database(database_url)
    with database.unit_of_work() as session:
        session.execute(sa.text("DROP SCHEMA public CASCADE"))
        session.execute(sa.text("CREATE SCHEMA public"))
    database.close()


def readiness(web: str) -> dict[str, str]:
    try:
        found: dict[str, str] = httpx2.get(f"{web}/readyz", timeout=5).json()
    except httpx2.TransportError:
        return {}
    return found


def test_the_installed_wheel_takes_a_gift_and_exports_it(
    settings: Settings,
    database_url: str,
    clock: Clock,
    stripe: LocalStripe,
    smtp: MailCatcher,
    tmp_path: Path,
) -> None:
    emptied(database_url)
    port = free_port()
    web = f"http://localhost:{port}"
    environment = {**environment_of(settings), "BILLING_PUBLIC_URL": web}
    product = Installed(tmp_path, environment)
    product.install()

    refused = product.billing("serve", "--port", str(port))
    assert (refused.returncode, "run `billing migrate`" in refused.stderr) == (1, True)
    assert product.billing("migrate").stdout.endswith(f"version {migrations.head()}\n")
    assert product.billing("catalogue", "push").returncode == 0
    secret = product.billing("webhook", "register", "--url", f"{web}/webhooks/stripe").stdout
    name, _, value = secret.strip().partition("=")
    environment[name] = value
    with product.running("serve", "--port", str(port)) as serve, product.running("worker") as work:
        until(lambda: readiness(web).get("worker") == "ok")
        doctor = product.billing("doctor")
        assert doctor.returncode == 0, doctor.stdout
        _give(web, stripe)
        until(lambda: len(smtp.messages) == 1)
        exported = product.billing("export", "payments", "--month", month_of(clock.now()))
        for process in (work, serve):
            process.send_signal(signal.SIGTERM)
        assert (work.wait(PATIENCE), serve.wait(PATIENCE)) == (0, -signal.SIGTERM)

    rows = list(csv.reader(exported.stdout.splitlines()))
    assert rows[-1][:2] == ["End of report", "agrees with the ledger"]
    (total,) = [row for row in rows if row[0] == "Total"]
    assert total[6:9] == ["GBP", "25.00", "0.00"]
    log = [json.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines()]
    assert {line["level"] for line in log} == {"info"}


def _give(web: str, stripe: LocalStripe) -> None:
    """Give £25 from the appeal's page, and pay."""
    answer = httpx2.post(
        f"{web}/checkout/donation", data={"appeal": "95th-anniversary", "amount": "25"}
    )
    assert answer.status_code == 303, answer.text
    stripe.pay(answer.headers["location"])
