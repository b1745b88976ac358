"""The wheel, installed away from the checkout, against PostgreSQL."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.databases import PostgresqlTemplate
from tests.support.ports import free_port
from tests.support.stripe import KEY, ROOT, LocalStripe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def billing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `billing` command of a fresh environment which has the wheel and not the checkout."""
    where = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", where,
         copy(where)],
        check=True, capture_output=True,
    )  # fmt: skip
    venv.create(where / "venv", with_pip=True)
    python = where / "venv" / "bin" / "python"
    [wheel] = where.glob("*.whl")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    # The dependencies are those of this environment: what is tried here is our own wheel.
    library = where / "venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (library / "site-packages" / "ours.pth").write_text(sysconfig.get_path("purelib"))
    return where / "venv" / "bin" / "billing"


def copy(where: Path) -> Path:
    """Copy what is kept of the checkout, so that building leaves nothing behind in it."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    kept = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, kept.split("\0")):
        if (ROOT / name).is_file():
            target = where / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    return where / "source"


@pytest.fixture
def env(
    postgresql_template: PostgresqlTemplate, tmp_path: Path, stripe: LocalStripe
) -> Iterator[dict[str, str]]:
    with postgresql_template.empty() as url:
        yield {
            "PATH": os.environ["PATH"],
            "BILLING_DATABASE_URL": url,
            "BILLING_CATALOGUE": str(ROOT / "catalogue.toml"),
            "BILLING_SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests",
            "BILLING_STRIPE_KEY": KEY,
            "BILLING_STRIPE_API_BASE": stripe.url,
            "BILLING_STRIPE_WEBHOOK_SECRETS": '["whsec_only_for_tests"]',
        }


@pytest.mark.postgresql
def test_migrate_serve_worker_and_doctor_work_from_the_wheel(
    billing: Path, env: dict[str, str], tmp_path: Path
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [billing, *arguments],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    refused = run("serve", "--port", str(free_port()))
    assert refused.returncode == 1
    assert "billing migrate" in refused.stderr

    for command in (["migrate"], ["catalogue", "push"]):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    port = free_port()
    processes = [
        subprocess.Popen(
            [billing, *command], cwd=tmp_path, env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for command in (["serve", "--port", str(port)], ["worker"])
    ]  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        until_ready(address)
        for path in ("/support", "/subscribe", "/appeals/95th-anniversary", "/terms", "/sign-in"):
            assert httpx2.get(address + path).status_code == 200, path
        sheet = httpx2.get(f"{address}/support").text.split('rel="stylesheet" href="')[1]
        assert httpx2.get(address + sheet.split('"')[0]).status_code == 200
        assert all(process.poll() is None for process in processes)
        doctor = run("doctor")
        assert "database" in doctor.stdout
    finally:
        for process in processes:
            process.terminate()
        ended = [process.wait(30) for process in processes]
    assert set(ended) <= {0, -signal.SIGTERM}  # uvicorn drains, then lets the signal end it


def until_ready(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/readyz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{address} did not become ready")
