"""The server as `billing serve` runs it: every answer whole, in one piece, however large."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import uvicorn

from service.joined import JoinedWrites, Protocol

BIG = b"x" * 3_000_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer in one piece, in several, or break off."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    if scope["path"] == "/pieces":
        for piece in (b"one ", b"two ", BIG):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    if scope["path"] == "/broken":
        raise RuntimeError
    await send({"type": "http.response.body", "body": b"end"})


@pytest.fixture
def address() -> Iterator[str]:
    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=Protocol, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    door.close()


def test_answers_of_one_piece_and_of_many_arrive_whole(address: str) -> None:
    with httpx2.Client(trust_env=False) as browser:
        assert browser.get(f"{address}/").content == b"end"
        assert browser.get(f"{address}/pieces").content == b"one two " + BIG + b"end"
        assert browser.get(f"{address}/", headers={"Connection": "close"}).content == b"end"
        assert browser.head(f"{address}/").headers["x"] == "y"


def test_who_hangs_up_half_way_after_asking_is_answered(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        line.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: line.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 200")
    assert said.endswith(b"3\r\nend\r\n0\r\n\r\n")


def test_an_answer_that_breaks_off_ends_its_connection(address: str) -> None:
    with httpx2.Client(trust_env=False) as browser, pytest.raises(httpx2.RemoteProtocolError):
        browser.get(f"{address}/broken")


def test_a_head_and_its_body_are_one_write_and_nothing_is_lost_at_the_end() -> None:
    class Transport:
        def __init__(self) -> None:
            self.written: list[bytes] = []
            self.closed = False

        def write(self, data: bytes) -> None:
            assert not self.closed
            self.written.append(data)

        def close(self) -> None:
            self.closed = True

    async def turns() -> list[bytes]:
        beneath: Any = Transport()
        joined = JoinedWrites(beneath)
        joined.write(b"head ")
        joined.write(b"body")
        joined.write(b"alone")
        await asyncio.sleep(0)
        joined.write(b"last")
        joined.close()
        await asyncio.sleep(0)
        assert beneath.closed
        written: list[bytes] = beneath.written
        return written

    assert asyncio.run(turns()) == [b"head body", b"alone", b"last"]
