"""The whole demonstration on this machine, started in order and stopped together.

Nothing outlives this process on purpose: each part runs in a process group of its own, and when
one part ends unasked the others are stopped and its last words are shown.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Self
from urllib.parse import urlsplit
from urllib.request import urlopen

from demo import dashboard, words

ROOT: Final = Path(__file__).resolve().parents[1]
OFFICER: Final = "finance@morning-star.example"
_SECRETS: Final = "BILLING_STRIPE_WEBHOOK_SECRETS"
_PATIENCE: Final = 90.0  # seconds a part may take to answer on a busy machine
_LAST_WISHES: Final = 8.0  # seconds a part may take to stop


class StackError(Exception):
    """Something could not be started, or stopped by itself; the text is for the person waiting."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens."""

    web: int = 8000
    stripe: int = 8420
    paper: int = 8080
    smtp: int = 2525

    @classmethod
    def free(cls) -> Self:
        """Return ports nobody listens on at this moment."""
        with contextlib.ExitStack() as held:
            doors = [held.enter_context(socket.socket()) for _ in fields(cls)]
            for door in doors:
                door.bind(("127.0.0.1", 0))
            return cls(*(door.getsockname()[1] for door in doors))

    def check(self) -> None:
        """Raise StackError naming the flag where a port is taken."""
        for name, port in (("--port", self.web), ("--stripe-port", self.stripe),
                           ("--paper-port", self.paper), ("--smtp-port", self.smtp)):  # fmt: skip
            with socket.socket() as door:
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    door.bind(("127.0.0.1", port))
                except (OSError, OverflowError):
                    raise StackError(
                        f"Port {port} is taken: stop what uses it, or choose another with {name}."
                    ) from None


@dataclass
class Stack:
    """The local Stripe, the web process, the worker and the newspaper.

    Attributes:
        data: where all of them keep what they know.
        extra: settings beyond those of the demonstration.
        days_ago: how far in the past a first run begins.
    """

    data: Path
    ports: Ports = Ports()
    extra: Mapping[str, str] = field(default_factory=dict)
    days_ago: int = 0
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def kept(cls, data: Path) -> Self | None:
        """Return the stack whose settings a directory keeps; None where there is none."""
        known = _read_env(data / "billing.env")
        names = ("BILLING_PUBLIC_URL", "BILLING_STRIPE_API_BASE", "BILLING_PAPER_URL")
        if not all(known.get(name) for name in names):
            return None
        web, stripe, paper = (urlsplit(known[name]).port or 80 for name in names)
        return cls(data, Ports(web, stripe, paper, int(known["BILLING_MAIL__PORT"])))

    @property
    def web(self) -> str:
        """The product's address."""
        return f"http://localhost:{self.ports.web}"

    @property
    def stripe(self) -> str:
        """The local Stripe's address."""
        return f"http://localhost:{self.ports.stripe}"

    @property
    def paper(self) -> str:
        """The newspaper's address."""
        return f"http://localhost:{self.ports.paper}"

    @property
    def env_file(self) -> Path:
        """Where the settings are kept, for `./dev billing` too."""
        return self.data / "billing.env"

    def start(self) -> None:
        """Start everything in order, and return when every part answers.

        Raises:
            StackError: a port is taken, or a part did not come up.
        """
        self.ports.check()
        (self.data / "log").mkdir(parents=True, exist_ok=True)
        self._begin("stripe", "sandbox", "--port", str(self.ports.stripe),
                    "--data", str(self.data / "stripe"), "--clock-file", str(self.data / "clock"),
                    "--start-days-ago", str(self.days_ago))  # fmt: skip
        known = _read_env(self.env_file)
        self._write_env(known)
        self.billing("migrate")
        self._until_answers("stripe", f"{self.stripe}/_sandbox/state")
        self._register_endpoint(known)
        self.billing("catalogue", "push")
        self.billing("staff", "add", OFFICER, "--name", "Frances Officer", "--role", "finance")
        self._begin("web", "service.cli", "serve", "--port", str(self.ports.web))
        self._begin("worker", "service.cli", "worker")
        self._begin("paper", "demo", "--port", str(self.ports.paper),
                    "--smtp-port", str(self.ports.smtp), "--billing", self.web,
                    "--data", str(self.data))  # fmt: skip
        self._until_answers("web", f"{self.web}/readyz")
        self._until_answers("paper", f"{self.paper}/healthz")

    def billing(self, *arguments: str) -> str:
        """Run the product's own command, and return what it printed.

        Raises:
            StackError: it failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=ROOT, env=self._environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"billing {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def seconds_behind(self) -> int:
        """Return how far in the past the local Stripe's clock still is."""
        with urlopen(f"{self.stripe}/_sandbox/state", timeout=30) as answer:  # noqa: S310
            return max(0, -int(json.load(answer)["offset"]))

    def answers(self) -> bool:
        """Whether the product answers at its address, whoever started it."""
        try:
            with urlopen(f"{self.web}/readyz", timeout=5):  # noqa: S310  # our own address
                return True
        except OSError:
            return False

    def check(self) -> None:
        """Raise StackError if a part has ended."""
        for name, process in self.parts.items():
            if process.poll() is not None:
                raise StackError(
                    f"{name} stopped by itself (exit {process.returncode}); its last words:\n"
                    + self._tail(name)
                )

    def kill(self, name: str) -> None:
        """End one part at once, as a power cut would."""
        os.killpg(self.parts[name].pid, signal.SIGKILL)
        self.parts.pop(name).wait()

    def begin_worker(self) -> None:
        """Start the worker again."""
        self._begin("worker", "service.cli", "worker")

    def stop(self) -> None:
        """Stop every part and reap it; the order is that of starting, backwards."""
        for process in reversed(self.parts.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _LAST_WISHES
        for process in self.parts.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.parts.clear()

    def _begin(self, name: str, module: str, *arguments: str) -> None:
        with (self.data / "log" / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT, env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _until_answers(self, name: str, address: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self.check()
            try:
                with urlopen(address, timeout=5):  # noqa: S310  # our own address
                    return
            except OSError:
                time.sleep(0.1)
        raise StackError(f"{name} does not answer at {address}:\n{self._tail(name)}")

    def _register_endpoint(self, known: Mapping[str, str]) -> None:
        """Have events sent to us; Stripe tells the endpoint's secret once, so it is kept."""
        secrets = known.get(_SECRETS, "")
        if not secrets or known.get("BILLING_PUBLIC_URL") != self.web:
            dashboard.forget_endpoints(self.stripe)
            said = self.billing("webhook", "register", "--url", f"{self.web}/webhooks/stripe")
            secrets = said.strip().removeprefix(f"{_SECRETS}=")
        self._write_env({**known, _SECRETS: secrets})

    def _write_env(self, known: Mapping[str, str]) -> None:
        settings = words.settings(
            known, data=self.data.resolve(), web=self.web, paper=self.paper, stripe=self.stripe,
            smtp_port=self.ports.smtp, catalogue=ROOT / "catalogue.toml",
        ) | dict(self.extra)  # fmt: skip
        self.env_file.touch(mode=0o600)
        self.env_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "BILLING_ENV_FILE": str(self.env_file), "PYTHONUNBUFFERED": "1"}

    def _tail(self, name: str) -> str:
        log = (self.data / "log" / f"{name}.log").read_text(errors="replace")
        return "\n".join(f"  {line}" for line in log.splitlines()[-15:])


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Answer a signal as if it were Ctrl-C."""
    raise KeyboardInterrupt


def _read_env(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line)
