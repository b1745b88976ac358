"""A deployment to measure: a migrated database of its own, a secret, and no Stripe to ask."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from benchmarks._events import SECRET
from benchmarks._measure import ROOT
from billing.db import Database
from billing.migrations.run import upgrade
from tests.support import postgres

_NUMBERS = count()  # of the databases of this run


@dataclass(frozen=True)
class Setting:
    """One deployment, about to be started.

    Attributes:
        env: what its processes are started with.
    """

    db: Database
    env: Mapping[str, str]


@contextlib.contextmanager
def setting(kind: str = "sqlite") -> Iterator[Setting]:
    """Make one in a directory that goes away, on SQLite or on a PostgreSQL that waits for disks."""
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder,
        _url(kind, Path(folder)) as url,
    ):
        upgrade(url)
        db = Database(url)
        yield Setting(
            db,
            {
                "BILLING_DATABASE_URL": url,
                "BILLING_CATALOGUE": str(ROOT / "catalogue.toml"),
                "BILLING_SECRET_KEY": "only-measured-only-measured-only-measured",
                "BILLING_STRIPE_KEY": "sk_test_benchmark",
                "BILLING_STRIPE_WEBHOOK_SECRETS": f'["{SECRET.decode()}"]',
                "BILLING_PAYWALL__LIMIT": "3",
                "LOG": str(Path(folder) / "log"),
            },
        )
        db.close()


@contextlib.contextmanager
def _url(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'billing.db'}"
        return
    server = postgres.server_url(durable=True)
    url = server.set(database=f"bench_{os.getpid()}_{next(_NUMBERS)}{postgres.SUFFIX}")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{url.database}"')
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f'DROP DATABASE "{url.database}" WITH (FORCE)')


def syncs_per_second(folder: str) -> int:
    """Return how often a second this disk keeps 8 kB for good: no commit can be faster."""
    with tempfile.TemporaryFile(dir=folder) as file:
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < 1:
            os.pwrite(file.fileno(), b"x" * 8192, 8192 * (done % 64))
            os.fdatasync(file.fileno())
            done += 1
        return round(done / (time.perf_counter() - began))
