"""`./dev run`: start everything, play the demonstration month, and stay until Ctrl-C."""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, TextIO

from demo import words
from demo.month import DAYS
from demo.stack import OFFICER, ROOT, Ports, Stack, StackError, interrupt

_OURS: Final = ("stripe", "mailbox", "log", "clock", "billing.env", "billing.db", "billing.db-wal",
                "billing.db-shm")  # fmt: skip


def main() -> int:
    """Run until Ctrl-C."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    lock = _only_one(options.data)
    if options.fresh:
        _start_over(options.data)
    ports = Ports(options.port, options.stripe_port, options.paper_port, options.smtp_port)
    stack = Stack(options.data, ports, days_ago=DAYS)
    try:
        print("Starting (the first time takes some seconds) …", flush=True)
        stack.start()
        print(words.welcome(stack.web, stack.paper, stack.stripe), flush=True)
        _play_the_month(stack)
        link = stack.billing("staff", "link", OFFICER).split()[-1]
        print(f"\n  Finance office   {link}\n  (works once; ./dev billing staff link {OFFICER}"
              " makes another)", flush=True)  # fmt: skip
        while True:
            stack.check()
            time.sleep(0.3)
    except StackError as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopping …", flush=True)
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave parts behind
        stack.stop()
        lock.close()


def _only_one(data: Path) -> TextIO:
    """Hold the data directory while we run: a second run in it would take our Stripe away."""
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another ./dev run uses {data}: stop it, or choose another place with --data.")
    return lock


def _play_the_month(stack: Stack) -> None:
    command = [sys.executable, "-m", "demo.month", "--web", stack.web, "--stripe", stack.stripe]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as month:
        try:
            while month.poll() is None:
                stack.check()
                time.sleep(0.3)
        finally:
            month.terminate()


def _start_over(data: Path) -> None:
    if not os.environ.get("BILLING_DATABASE_URL", "sqlite:").startswith("sqlite:"):
        sys.exit(
            "--fresh forgets only what is under --data: empty the PostgreSQL database yourself."
        )
    for name in _OURS:
        path = data / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev run", description="Run the demonstration.")
    parser.add_argument("--fresh", action="store_true", help="forget what was kept, and start over")
    parser.add_argument("--port", type=int, default=8000, help="the product (8000)")
    parser.add_argument("--stripe-port", type=int, default=8420, help="the local Stripe (8420)")
    parser.add_argument("--paper-port", type=int, default=8080, help="the newspaper (8080)")
    parser.add_argument("--smtp-port", type=int, default=2525, help="its mail catcher (2525)")
    parser.add_argument("--data", type=Path, default=Path("var"), help="what is kept (./var)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
