"""The measurements of the wall on one database, each against its floor."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any

import sqlalchemy as sa

from benchmarks import _asks, _people
from benchmarks._measure import Request, Server, compare, drive, floor, for_seconds, product
from benchmarks._setting import Setting
from billing import readers, sign_in
from billing.access.meter import window_of
from billing.models import Meter
from billing.readers.meters import HASH, meter_subject
from billing.settings import Settings

FEW = 1_000
_REMEMBERED = 50_000  # people in one process; beyond it, who asked longest ago is forgotten
_FIRST = 200  # requests to a process that has just started
_HEARD = 1.0  # seconds until every process knows what has changed
_THREADS = (1, 4, 8, 16)  # of a floor; that is taken which does most


@dataclass(frozen=True)
class Size:
    """How much is to be done.

    Attributes:
        readers: how many the larger database holds.
        rounds: how often ours and the floor take turns.
    """

    readers: int
    rounds: int

    def a_turn(self, first: int = 0) -> int:
        """Return how many readers from the first on may come in one turn, and none come twice."""
        return (self.readers - first) // (self.rounds + 1)


def warm(here: Setting, size: Size) -> dict[str, Any]:
    """Measure whom the process remembers, and beside it what FastAPI alone would cost."""
    with (
        floor("benchmarks._floors:bare", {}) as least,
        floor("benchmarks._floors:fastapi_route()", {}) as route,
        product(_env(here)) as ours,
    ):
        asks = {
            "subscriber": _known(ours, _people.token(0), reason="subscriber"),
            "refused": _known(ours, _used_up(here), reason="limit_reached"),
            "reread": _known(ours, "", reason="reread"),
        }
        found = {
            f"warm_{name}": compare(f"warm: {name}", (ours, ask), (least, ask), rounds=size.rounds)
            for name, ask in asks.items()
        }
        ask = asks["subscriber"]
        name = "beside it, a bare FastAPI route"
        return found | {"fastapi": compare(name, (route, ask), (least, ask), rounds=size.rounds)}


def cold(here: Setting, size: Size) -> dict[str, Any]:
    """Measure subscribers whom the process has never seen, each of them once."""
    strangers = count()
    with (
        _best(here, "one_lookup", lambda number: _asks.look_up(number % size.readers)) as (
            least,
            ask,
            threads,
        ),
        product(_env(here)) as ours,
    ):
        row = compare(
            "cold: a subscriber",
            (ours, lambda _number: _asks.signed_in(next(strangers))),
            (least, ask),
            rounds=size.rounds,
            at_most=size.a_turn(),
        )
    return {"cold": row | {"floor_threads": threads}}


def counted(here: Setting, size: Size) -> dict[str, Any]:
    """Measure visitors reading on, and see that every article was counted."""
    now, env = datetime.now(UTC), _env(here)
    settings = Settings(secret_key=env["BILLING_SECRET_KEY"])
    reading, asked = enumerate(_asks.reading_on(settings, now=now), start=1), 0

    def read_on(_number: int) -> bytes:
        nonlocal asked
        asked, ask = next(reading)
        return ask

    with _best(here, "one_insert", _asks.insert) as (least, ask, threads), product(env) as ours:
        row = compare(
            "counted: a visitor reading on", (ours, read_on), (least, ask), rounds=size.rounds
        )
    kept = sa.select(sa.func.sum(sa.func.length(Meter.articles)))
    with here.db.reading() as session:
        found = session.scalar(kept.where(Meter.window == window_of(now).name)) or 0
    if found // HASH < asked:
        raise RuntimeError(f"{asked} articles were read, and {found // HASH} counted")
    return {"counted": row | {"floor_threads": threads}}


def growth(few: Setting, many: Setting, size: Size) -> dict[str, Any]:
    """Measure many readers against few, in turns: those who are remembered, and those who are not.

    Few readers are soon all known; so they sign out and in again before each turn.
    """
    again = _Again(few)
    strangers = count(FEW)
    names = f"{size.readers:,} readers against {FEW:,}"
    with product(_env(many)) as ours, product(_env(few)) as theirs:
        same: Request = lambda number: _asks.signed_in(number % FEW)  # noqa: E731
        known = compare(f"warm: {names}", (ours, same), (theirs, same), rounds=size.rounds)
        unknown = compare(
            f"cold: {names}",
            (ours, lambda _number: _asks.signed_in(next(strangers))),
            (theirs, again),
            rounds=size.rounds,
            at_most=min(FEW, size.a_turn(FEW)),
            before=again.sign_in,
        )
    return {"growth_warm": known, "growth_cold": unknown}


class _Again:
    """The few readers, each of whom asks once after they all signed in anew."""

    def __init__(self, few: Setting) -> None:
        self._few, self._times = few, count()
        self._asks: Iterator[bytes] = iter(())

    def __call__(self, _number: int) -> bytes:
        return next(self._asks)

    def sign_in(self) -> None:
        named = f"time-{next(self._times)}"
        _people.sign_in_anew(self._few.db, named, now=datetime.now(UTC))
        self._asks = iter([_asks.signed_in(number, named) for number in range(FEW)])
        time.sleep(_HEARD)


def start(here: Setting, size: Size) -> dict[str, Any]:
    """Measure the first requests to a new process, and the memory that many people take in it."""
    people = map(_asks.signed_in, range(size.readers))
    with product(_env(here)) as ours:
        first = drive(ours, islice(people, _FIRST), connections=10)
        before = ours.megabytes()
        known = len(drive(ours, islice(people, _REMEMBERED), connections=10).waits)
        after = ours.megabytes()
        drive(ours, islice(people, _REMEMBERED), connections=10)
        found = {
            "first": {
                "requests": _FIRST,
                "p50_ms": round(first.within(50), 1),
                "p99_ms": round(first.within(99), 1),
                "max_ms": round(max(first.waits) * 1000, 1),
            },
            "memory": {
                "before_mb": round(before),
                "after_mb": round(after),
                "at_the_end_mb": round(ours.megabytes()),
                "mb_per_50000": round((after - before) * _REMEMBERED / known),
            },
        }
    for name, row in found.items():
        print(f"{name}: {row}", flush=True)
    return found


def _env(here: Setting) -> Mapping[str, str]:
    return {**here.env, "BILLING_PAYWALL__LIMIT": f"{_asks.LIMIT}"}


def _known(ours: Server, token: str, *, reason: str) -> Request:
    ask = _asks.known(ours.port, f"reader={token}" if token else "", reason=reason)
    return lambda _number: ask


def _used_up(here: Setting) -> str:
    """Make a reader who is signed in and has no free article left."""
    now = datetime.now(UTC)
    with here.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        read = "".join(f"{number:0{HASH}x}" for number in range(_asks.LIMIT))
        subject = meter_subject(reader.id)
        session.add(Meter(window=window_of(now).name, subject=subject, articles=read))
        return sign_in.begin_session(session, reader_id=reader.id, now=now)


@contextmanager
def _best(here: Setting, app: str, ask: Request) -> Iterator[tuple[Server, Request, int]]:
    """Run a floor with as many threads as let it do most."""
    address = here.db.url.set(drivername=here.db.url.get_backend_name())
    env = {"FLOOR_DATABASE": address.render_as_string(hide_password=False)}
    done: dict[int, float] = {}
    for threads in _THREADS:
        with floor(f"benchmarks._floors:{app}()", env | {"FLOOR_THREADS": f"{threads}"}) as server:
            for turn in range(2):  # the first warms it up
                asks = for_seconds(ask, 0.5, first=turn * 1_000_000)
                done[threads] = drive(server, asks, connections=10).per_second
    print(f"{app}: " + ", ".join(f"{n} threads {done[n]:.0f}/s" for n in done), flush=True)
    threads = max(done, key=lambda number: done[number])
    with floor(f"benchmarks._floors:{app}()", env | {"FLOOR_THREADS": f"{threads}"}) as server:
        yield server, ask, threads
