"""Start two servers, load them in turns, and print the ratio of their medians."""

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
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Request = Callable[[int], bytes]  # the number of a request -> its bytes on the wire


@contextlib.contextmanager
def server(app: str, env: Mapping[str, str]) -> Iterator[int]:
    """Run an application factory or application under one uvicorn worker; yield its port."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = int(door.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    command += ["--no-access-log", "--http", "httptools", "--loop", "uvloop"]
    command += [] if app.endswith(":bare") else ["--factory"]
    quiet = subprocess.DEVNULL  # a line logged for each request is not what is measured
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdout=quiet, stderr=quiet
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


@dataclass
class Load:
    """What came back from one round.

    Attributes:
        waits: seconds each request took.
    """

    seconds: float
    waits: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.waits) / self.seconds

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 were answered."""
        return statistics.quantiles(self.waits, n=100)[98]


async def _connection(port: int, make: Request, numbers: Iterator[int], load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    until = time.perf_counter() + load.seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(make(next(numbers)))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            raise RuntimeError(head.decode("latin-1").splitlines()[0])
        length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
        load.waits.append(time.perf_counter() - began)
    writer.close()


def drive(port: int, make: Request, *, connections: int, seconds: float, first: int) -> Load:
    """Ask for some seconds over kept-alive connections."""
    load, numbers = Load(seconds), count(first)

    async def everything() -> None:
        await asyncio.gather(*(_connection(port, make, numbers, load) for _ in range(connections)))

    asyncio.run(everything())
    return load


def compare(
    name: str, ours: tuple[int, Request], floor: tuple[int, Request], *, rounds: int = 5
) -> dict[str, float]:
    """Load ours and the floor in turns; return the medians, their ratio, and both p99."""
    kept: dict[str, list[Load]] = {"ours": [], "floor": []}
    for turn in range(rounds + 1):
        for who, (port, make) in (("floor", floor), ("ours", ours)):
            first = (turn + 1) * 1_000_000
            load = drive(port, make, connections=10, seconds=2, first=first)
            if turn:  # the first round warms both up
                kept[who].append(load)
    rate = {who: statistics.median(load.per_second for load in kept[who]) for who in kept}
    p99 = {who: statistics.median(load.p99 for load in kept[who]) for who in kept}
    row = {
        "ratio": round(rate["ours"] / rate["floor"], 3),
        "per_second": round(rate["ours"]),
        "floor_per_second": round(rate["floor"]),
        "p99_s": round(p99["ours"], 4),
        "floor_p99_s": round(p99["floor"], 4),
    }
    print(
        f"{name:32} {row['per_second']:>7}/s  floor {row['floor_per_second']:>7}/s"
        f"  ratio {row['ratio']:.2f}  p99 {row['p99_s'] * 1000:.1f} ms"
    )
    return row


def last_line(**rows: Mapping[str, float]) -> None:
    """End with one line for a machine."""
    print(json.dumps(rows))
