"""A deployment to measure: a migrated database of its own, a secret, and no Stripe to ask."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks._measure import ROOT
from billing.db import Database
from billing.migrations.run import upgrade

WEBHOOK_SECRET = "whsec_benchmark"  # noqa: S105  # of nothing


@dataclass(frozen=True)
class Setting:
    """One deployment, about to be started.

    Attributes:
        env: what its processes are started with.
    """

    db: Database
    env: Mapping[str, str]


@contextlib.contextmanager
def setting() -> Iterator[Setting]:
    """Make one in a directory that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'billing.db'}"
        upgrade(url)
        db = Database(url)
        yield Setting(
            db,
            {
                "BILLING_DATABASE_URL": url,
                "BILLING_CATALOGUE": str(ROOT / "catalogue.toml"),
                "BILLING_SECRET_KEY": "only-measured-only-measured-only-measured",
                "BILLING_STRIPE_KEY": "sk_test_benchmark",
                "BILLING_STRIPE_WEBHOOK_SECRETS": f'["{WEBHOOK_SECRET}"]',
                "BILLING_PAYWALL__LIMIT": "3",
                "FLOOR_DATABASE": str(Path(folder) / "floor.db"),
            },
        )
        db.close()
