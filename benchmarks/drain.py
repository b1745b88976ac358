"""The first of the month: 10,000 events at once, and the real worker working through them.

Readers subscribe and give at the local Stripe; what it says of them is delivered again and again
under new names, as many hints for fewer objects, to the real door on PostgreSQL. Then the worker
starts. Its own processor time is ours alone: Stripe's part is another process.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks._events import request_of
from benchmarks._measure import ROOT, Server, drive, last_line, product
from benchmarks._setting import Setting, setting
from billing import checkout
from billing.catalogue.push import push
from billing.context import Context, open_context
from billing.models import OwedState, StripeEvent
from billing.money import Money
from billing.settings import Settings
from tests.support.ports import free_port
from tests.support.smtp import MailCatcher
from tests.support.stripe import LocalStripe, StripeProcess
from webhooks.dispatch import TYPES

_AT_ONCE = 20


def main() -> None:
    """Measure, and print a line for each part."""
    parser = argparse.ArgumentParser(prog="./dev bench drain")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--readers", type=int, default=200, help="half give, half subscribe")
    given = parser.parse_args()
    with ExitStack() as stack:
        here = stack.enter_context(setting("postgresql"))
        folder = Path(here.env["LOG"]).parent
        env = {**here.env, **stack.enter_context(_surroundings(folder))}
        stripe = LocalStripe(env["BILLING_STRIPE_API_BASE"], folder / "sandbox.sqlite3")
        said = _said_of(stripe, _context(env), readers=given.readers)
        ours = stack.enter_context(product(env))
        asks = (request_of(body) for body in islice(_again(said), given.events))
        load = drive(ours, asks, connections=_AT_ONCE)
        found: dict[str, Any] = {
            "events": given.events,
            "objects": len({one["data"]["object"]["id"] for one in said}),
            "accepted_per_second": round(load.per_second),
            "p99_ms": round(load.within(99), 1),
            "lost": given.events - len(_left(here)),
        }
        print(f"stored: {found}", flush=True)
        found |= _drain(here, env, given.events)
    last_line(**found)


@contextmanager
def _surroundings(folder: Path) -> Iterator[dict[str, str]]:
    """Run a local Stripe and a mail server; yield what a deployment must know of them."""
    clock = folder / "offset"
    stripe, mail = (
        StripeProcess(folder, port=free_port(), clock_file=clock),
        MailCatcher(free_port()),
    )
    mail.start()
    try:
        yield {
            "BILLING_STRIPE_API_BASE": stripe.wait().url,
            "BILLING_CLOCK_OFFSET_FILE": str(clock),
            "BILLING_MAIL__PORT": str(mail.port),
            "BILLING_STRIPE_KEY": "sk_test_tests",
        }
    finally:
        mail.stop()
        stripe.stop()


def _context(env: Mapping[str, str]) -> Context:
    os.environ.update(env)
    context = open_context(Settings())
    push(context.db, context.gateway, context.catalogue, now=context.clock.now())
    return context


def _said_of(stripe: LocalStripe, context: Context, *, readers: int) -> list[dict[str, Any]]:
    """Let readers pay at Stripe, and return what it says of them that we act on."""
    for number in range(readers):
        who: dict[str, Any] = {"reader_id": None, "shown": {}, "caller": f"192.0.2.{number // 8}"}
        started = (
            checkout.start_donation(context, appeal="95th-anniversary", amount=Money(25_00), **who)
            if number % 2
            else checkout.start_subscription(context, lookup_key="digital-month-standard", **who)
        )
        stripe.pay(started.url, email=f"reader{number}@example.org")
    listed = stripe.client.v1.events.list({"limit": 100}).auto_paging_iter()
    said = [json.loads(str(each)) for each in listed]
    context.db.close()
    return [each for each in said[::-1] if each["type"] in TYPES]


def _again(said: list[dict[str, Any]]) -> Iterator[bytes]:
    """Say everything again and again, each time under new names."""
    for number, one in enumerate(cycle(said)):
        yield json.dumps({**one, "id": f"evt_{number}"}, indent=2).encode()


def _left(here: Setting, *states: OwedState) -> list[int]:
    wanted = StripeEvent.state.in_(states or OwedState)
    with here.db.reading() as session:
        return list(session.scalars(sa.select(StripeEvent.id).where(wanted)))


def _drain(here: Setting, env: Mapping[str, str], events: int) -> dict[str, float]:
    """Let the worker work until nothing is owed."""
    with (Path(env["LOG"]).parent / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "worker"],
            cwd=ROOT, env={**os.environ, **env}, stdout=log, stderr=log,
        )  # fmt: skip
    worker = Server(0, process.pid)
    total = len(_left(here, OwedState.READY, OwedState.RUNNING))
    while len(_left(here, OwedState.READY, OwedState.RUNNING)) == total:
        time.sleep(0.1)  # until it has started
    started, before = time.perf_counter(), worker.cpu()
    while left := _left(here, OwedState.READY, OwedState.RUNNING):
        if process.poll() is not None:
            raise RuntimeError("the worker died")
        print(f"\r  {len(left):>6} left", end="", flush=True)
        time.sleep(0.5)
    seconds, cpu = time.perf_counter() - started, worker.cpu() - before
    process.terminate()
    process.wait(60)
    with here.db.reading() as session:
        outcomes = list(session.scalars(sa.select(StripeEvent.outcome)))
    looks = outcomes.count("applied")  # the others say which look answered them too
    found = {
        "drained_per_second": round(events / seconds),
        "drain_seconds": round(seconds, 1),
        "cpu_ms_per_event": round(cpu / events * 1000, 2),
        "looks": looks,
        "cpu_ms_per_look": round(cpu / looks * 1000, 2),
        "parked": outcomes.count(""),
    }
    print(f"\rdrained: {found}", flush=True)
    return found


if __name__ == "__main__":
    main()
