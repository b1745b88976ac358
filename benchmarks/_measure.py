"""Start two servers, load them in turns, and give back what they did."""

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import IO, cast

import uvloop

ROOT = Path(__file__).resolve().parents[1]
Request = Callable[[int], bytes]  # the number of a request -> its bytes on the wire
_NOTHING = subprocess.DEVNULL


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Return the seconds of CPU it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Return the memory it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


@contextlib.contextmanager
def floor(app: str, env: Mapping[str, str]) -> Iterator[Server]:
    """Run an application, or with `()` behind its name a factory of one."""
    with _running(["-m", "benchmarks._server", app], env, _NOTHING) as server:
        yield server


@contextlib.contextmanager
def product(env: Mapping[str, str]) -> Iterator[Server]:
    """Run the product as it is deployed, its log written to a file."""
    with (
        Path(env["LOG"]).open("wb") as log,
        _running(["-m", "service.cli", "serve"], env, log) as server,
    ):
        yield server


@contextlib.contextmanager
def _running(what: list[str], env: Mapping[str, str], log: int | IO[bytes]) -> Iterator[Server]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = int(door.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, *what, "--port", str(port)],
        cwd=ROOT, env={**os.environ, **env}, stdout=_NOTHING, stderr=log,
    )  # fmt: skip
    try:
        _wait_for(port, process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"did not start: {process.args!r}")


@dataclass
class Load:
    """What came back.

    Attributes:
        cpu: seconds of it the server used.
        waits: seconds each request took.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.waits) / self.seconds

    @property
    def cpu_each(self) -> float:
        """Seconds of CPU the server used for one request."""
        return self.cpu / len(self.waits)

    def within(self, percent: int) -> float:
        """Return the milliseconds within which so many of 100 were answered."""
        return statistics.quantiles(self.waits, n=100)[percent - 1] * 1000


class _Connection(asyncio.Protocol):
    """One kept-alive connection: the next request leaves when the last answer is whole."""

    def __init__(self, asks: Iterator[bytes], load: Load) -> None:
        self._asks, self._load = asks, load
        self._began, self._seen = 0.0, b""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, ended, body = self._seen.partition(b"\r\n\r\n")
        if not ended:
            return
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            self._end(RuntimeError(head.decode("latin-1").splitlines()[0]))
            return
        length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
        if len(body) >= int(length):
            self._load.waits.append(time.perf_counter() - self._began)
            self._seen = b""
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server hung up"))

    def _ask(self) -> None:
        ask = next(self._asks, None)
        if ask is None:
            self._end()
            return
        self._began = time.perf_counter()
        self._transport.write(ask)

    def _end(self, error: Exception | None = None) -> None:
        if not self.over.done():
            self.over.set_exception(error) if error else self.over.set_result(None)
            self._transport.close()


def drive(server: Server, asks: Iterator[bytes], *, connections: int) -> Load:
    """Ask everything there is to ask over some connections."""
    load = Load()
    before = server.cpu()

    async def everything() -> None:
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        made = [
            await loop.create_connection(lambda: _Connection(asks, load), "127.0.0.1", server.port)
            for _ in range(connections)
        ]
        await asyncio.gather(*(connection.over for _, connection in made))
        load.seconds = time.perf_counter() - began

    uvloop.run(everything())
    load.cpu = server.cpu() - before
    return load


def for_seconds(make: Request, seconds: float, *, first: int) -> Iterator[bytes]:
    """Make requests until the time is up."""
    until = time.perf_counter() + seconds
    for number in count(first):
        if time.perf_counter() >= until:
            return
        yield make(number)


def compare(
    name: str,
    ours: tuple[Server, Request],
    least: tuple[Server, Request],
    *,
    connections: int = 10,
    rounds: int = 12,
    seconds: float = 0.5,
    at_most: int | None = None,
    before: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Load ours and the floor in many short turns; return the medians, and the median of ratios.

    What else the machine does then falls on both alike. A turn ends after so many seconds, or after
    as many requests as it may have at most; `before` is done before each two.
    """
    pairs: list[tuple[Load, Load]] = []
    for turn in range(rounds + 1):
        before()
        done = [
            drive(
                server,
                islice(for_seconds(make, seconds, first=_fresh()), at_most),
                connections=connections,
            )
            for server, make in (least, ours)
        ]
        if turn:  # the first round warms both up
            pairs.append((done[1], done[0]))
    row = _medians(pairs)
    print(
        f"{name:32} {row['per_second']:>7}/s  floor {row['floor_per_second']:>7}/s"
        f"  ratio {row['ratio']:.2f}  p99 {row['p99_ms']:.1f} ms (floor {row['floor_p99_ms']:.1f})"
        f"  CPU {row['cpu_ms']:.2f} ms (floor {row['floor_cpu_ms']:.2f})",
        flush=True,
    )
    return row


def _medians(pairs: list[tuple[Load, Load]]) -> dict[str, float]:
    def median(of: Callable[[Load, Load], float]) -> float:
        return statistics.median(of(*pair) for pair in pairs)

    return {
        "ratio": round(median(lambda our, its: our.per_second / its.per_second), 3),
        "per_second": round(median(lambda our, _: our.per_second)),
        "floor_per_second": round(median(lambda _, its: its.per_second)),
        "p99_ms": round(median(lambda our, _: our.within(99)), 1),
        "floor_p99_ms": round(median(lambda _, its: its.within(99)), 1),
        "p99_ratio": round(median(lambda our, its: our.within(99) / its.within(99)), 2),
        "cpu_ms": round(median(lambda our, _: our.cpu_each * 1000), 2),
        "floor_cpu_ms": round(median(lambda _, its: its.cpu_each * 1000), 2),
    }


def _fresh() -> int:
    """Return a number from which no request has been numbered yet."""
    return time.time_ns() // 1000 * 1000


def keep(name: str, found: Mapping[str, object], plot: str) -> None:
    """Keep figures and their plot beside the measurement."""
    folder = ROOT / "benchmarks"
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / f"{name}.svg").write_text(plot)


def last_line(**found: object) -> None:
    """End with one line for a machine."""
    print(json.dumps(found))
