"""The demonstration newspaper as a real process, on free ports, with billing out of the house."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from demo import articles
from demo.answers import Answer, Links
from demo.articles import Edition
from demo.press import Press

ROOT = Path(__file__).parents[2]
BILLING = "http://localhost:8000"


@dataclass(frozen=True, slots=True)
class Paper:
    """A running newspaper."""

    http: httpx2.Client
    port: int
    smtp_port: int


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def command(*, port: int, smtp_port: int, billing_port: int, data: Path) -> list[str]:
    options = {
        "--port": str(port),
        "--smtp-port": str(smtp_port),
        "--billing": f"http://127.0.0.1:{billing_port}",
        "--data": str(data),
    }
    return [sys.executable, "-m", "demo", *(word for pair in options.items() for word in pair)]


def start(words: list[str]) -> subprocess.Popen[str]:
    """Start the paper and wait for the line which says that it answers."""
    process = subprocess.Popen(
        words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("paper ready http://localhost:")
    return process


def stop(process: subprocess.Popen[str]) -> int:
    """Ask the paper to stop as an operator would, and return its exit code."""
    process.terminate()
    process.communicate(timeout=5)
    return process.returncode


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    """Run the paper while nothing at all answers at billing's address."""
    port, smtp_port = free_port(), free_port()
    data = tmp_path_factory.mktemp("paper")
    process = start(command(port=port, smtp_port=smtp_port, billing_port=free_port(), data=data))
    with httpx2.Client(base_url=f"http://localhost:{port}", trust_env=False) as http:
        yield Paper(http=http, port=port, smtp_port=smtp_port)
    assert stop(process) == 0


@pytest.fixture(scope="session")
def edition() -> Edition:
    return articles.load()


@pytest.fixture(scope="session")
def press(edition: Edition) -> Press:
    return Press(edition, Links.on(BILLING))


@pytest.fixture
def denied() -> Answer:
    return answer(access="denied", reason="limit_reached", remaining=0)


def answer(*, access: str, reason: str, remaining: int) -> Answer:
    """Read an answer written as the check's published contract writes it."""
    body = {
        "access": access,
        "reason": reason,
        "because": "Because of the meter.",
        "message": "You have reached the free limit. Subscribe to continue reading.",
        "offer": None if access == "granted" else "From £2.99 a month.",
        "valid_until": None,
        "meter": {
            "used": 3 - remaining,
            "limit": 3,
            "remaining": remaining,
            "resets_at": "2026-11-30T23:30:00+00:00",
        },
        "links": {"subscribe": f"{BILLING}/subscribe?from=wall", "shop": "javascript:alert(1)"},
    }
    return Answer.read(body, links=Links.on(BILLING))
