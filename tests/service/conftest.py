"""Running the `billing` command as a person does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from billing.settings import Settings
from tests.conftest import SECRET_KEY, WEBHOOK_SECRET
from tests.support.stripe import KEY

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment_of(settings: Settings) -> dict[str, str]:
    """Say the settings of a test as a deployment says them."""
    return {
        "PATH": os.environ["PATH"],
        "BILLING_DATABASE_URL": settings.database_url,
        "BILLING_CATALOGUE": str(settings.catalogue),
        "BILLING_SECRET_KEY": SECRET_KEY,
        "BILLING_STRIPE_KEY": KEY,
        "BILLING_STRIPE_API_BASE": settings.stripe_api_base,
        "BILLING_STRIPE_WEBHOOK_SECRETS": json.dumps([WEBHOOK_SECRET]),
        "BILLING_CLOCK_OFFSET_FILE": str(settings.clock_offset_file),
        "BILLING_MAIL__PORT": str(settings.mail.port),
    }


@pytest.fixture
def billing(settings: Settings) -> Run:
    """Run one command to its end."""

    def run(*arguments: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        return command(arguments, {**environment_of(settings), **changed})

    return run


def command(
    arguments: tuple[str, ...], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m service.cli` in the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
