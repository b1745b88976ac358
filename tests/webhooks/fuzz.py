"""Whatever bytes come to Stripe's door: what may be answered, and what must then be stored.

`./dev fuzz --requests N --seed S` runs as many as one likes, straight at the whole application. A
request is made from the seed and its number alone, so what went wrong can be asked again.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from billing.db import Database
from billing.models import StripeEvent, Task
from webhooks import signature
from webhooks.dispatch import TYPES
from webhooks.router import MOST_BYTES, PATH

Random = random.Random
Asgi = Callable[..., Any]

ALLOWED = {200, 400, 413}
_TOGETHER = 20  # requests at one moment
_BETWEEN = 5_000  # requests between two looks at what is stored
_TELL = 25  # violations that are told in full
_WORDS = ("", "\x00", "\ud800", "é", "evt_1", "event", "v2.core.event", "charge", "acct_1", "-1")


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        parts: the body, as it comes off the wire.
        ours: whether a secret of ours signed exactly this, just now; None where it may be so.
        gone: whether whoever sends it hangs up before the end.
    """

    headers: Sequence[tuple[bytes, bytes]]
    parts: Sequence[bytes]
    ours: bool | None
    gone: bool

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.parts)


@dataclass
class Found:
    """What became of them."""

    answers: Counter[int] = field(default_factory=Counter)
    gone: int = 0
    violations: list[str] = field(default_factory=list)
    kept: set[tuple[str, str]] = field(default_factory=set)

    def wrong(self, number: int, what: str) -> None:
        """Write down a violation."""
        self.violations.append(f"request {number}: {what}")


async def run(app: Asgi, db: Database, numbers: range, *, seed: int, secret: bytes) -> Found:
    """Send requests, many at once, and hold what is stored against what was answered."""
    found = Found()
    for first in numbers[::_BETWEEN]:
        some = iter(range(first, min(first + _BETWEEN, numbers.stop)))
        await asyncio.gather(*(_send(app, some, seed, secret, found) for _ in range(_TOGETHER)))
        await asyncio.to_thread(_compare, db, found)
    return found


def made(seed: int, number: int, secret: bytes) -> Request:
    """Make one request, always the same but for the time in its signature."""
    chance = Random(f"{seed}:{number}")
    body = _body(chance, number)
    header, ours = _signature(chance, body, secret)
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), *header]
    if chance.random() < 0.02:
        headers.append((b"content-encoding", chance.choice([b"gzip", b"identity", _noise(chance)])))
    if chance.random() < 0.05:
        said = chance.choice([b"0", b"9" * 40, b"-1", b"\xb2", b"1048577", _noise(chance)])
        headers.append((b"content-length", said))
    if chance.random() < 0.05:
        headers.append((_noise(chance).lower() or b"x", _noise(chance)))
    chance.shuffle(headers)
    if ours and len(headers) > 2 + len(header):
        ours = None  # it may be refused for what was added
    parts = _cut(chance, body) if chance.random() < 0.2 else [body]
    return Request(headers, parts, ours, gone=chance.random() < 0.01)


async def _send(app: Asgi, numbers: Iterator[int], seed: int, secret: bytes, found: Found) -> None:
    for number in numbers:
        request = made(seed, number, secret)
        try:
            status = await _ask(app, request)
        except Exception as error:  # noqa: BLE001  # just what is looked for
            found.wrong(number, repr(error))
            continue
        if status is None:
            found.gone += 1
            if not request.gone:
                found.wrong(number, "not answered")
            continue
        found.answers[status] += 1
        if status not in ALLOWED:
            found.wrong(number, f"answered {status}")
        if status == 200 and request.ours is False:
            found.wrong(number, "taken, though nobody signed it")
        if status == 200:
            found.kept.add(_event_in(request.body))


async def _ask(app: Asgi, request: Request) -> int | None:
    """Speak to the application as a server would; return its answer's status."""
    left, said = list(request.parts), []

    async def receive() -> dict[str, Any]:
        if not left or (request.gone and len(left) == 1):
            return {"type": "http.disconnect"}
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": PATH, "raw_path": PATH.encode(), "query_string": b"",
        "root_path": "", "headers": list(request.headers), "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80), "state": {}, "extensions": {},
    }  # fmt: skip
    await app(scope, receive, send)
    if not said:
        return None
    start, *rest = said
    whole = b"".join(part["body"] for part in rest)
    if dict(start["headers"])[b"content-length"] != str(len(whole)).encode():
        raise ValueError("the answer is not as long as it says")
    return int(start["status"])


def _compare(db: Database, found: Found) -> None:
    """Find what was answered 200 and is not stored, or stored and not answered; forget the rest."""
    with db.unit_of_work() as session:
        stored = {
            (account, event_id)
            for account, event_id in session.execute(
                sa.select(StripeEvent.account, StripeEvent.event_id)
            )
        }
        session.execute(sa.delete(StripeEvent))
        session.execute(sa.delete(Task))
    found.violations += [f"{event} was taken and is not stored" for event in found.kept - stored]
    found.violations += [f"{event} is stored and was refused" for event in stored - found.kept]
    found.kept.clear()


def _event_in(body: bytes) -> tuple[str, str]:
    said = json.loads(body)
    account = said.get("context" if said["object"] == "v2.core.event" else "account")
    return (account or "").replace("/", "_"), said["id"]


def _body(chance: Random, number: int) -> bytes:
    kind = chance.random()
    if kind < 0.06:
        return chance.randbytes(chance.randrange(200))
    event = _event(chance, number)
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 3])):
        _spoil(chance, event)
    body = json.dumps(event, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    if kind < 0.08:
        return chance.choice(_ODD)(body)
    if kind < 0.0805:  # rare, for it is slow
        return body + b" " * (MOST_BYTES - len(body) + chance.choice([-1, 0, 1, 70_000]))
    return _scratch(chance, body) if kind < 0.3 else body


_ODD: tuple[Callable[[bytes], bytes], ...] = (
    lambda _body: b"",
    lambda _body: b"null",
    lambda _body: b"[" * 100_000,
    lambda _body: b'{"a":' * 50_000,
    lambda _body: b"9" * 10_000,
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body.decode("utf-8", "replace").encode("utf-16"),
    lambda body: b"[" + body + b"]",
    lambda body: body + body,
    lambda body: body[:-1] + b', "id": "evt_twice"}',
    lambda body: body[:-1] + b', "x": NaN}',
    lambda body: body[:-1] + b', "x": 1e400}',
    lambda body: body[:-1] + b', "x": -0.0, "y": 1e-400}',
    lambda body: body[:-1] + b', "x": ' + b"[" * 500 + b"]" * 500 + b"}",
)


def _event(chance: Random, number: int) -> dict[str, Any]:
    name = f"evt_{number // chance.choice([1, 1, 1, 3])}"  # some come twice
    if chance.random() < 0.1:
        return {
            "id": name,
            "object": "v2.core.event",
            "type": "v1." + chance.choice(TYPES),
            "livemode": False,
            "created": "2026-11-23T10:00:00.000Z",
            "context": None,
            "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
        }
    return {
        "id": name,
        "object": "event",
        "type": chance.choice([*TYPES, "customer.created", "a.type.of.tomorrow"]),
        "api_version": chance.choice(["2026-10-28.endive", "2019-03-14", None]),
        "created": 1_763_892_000,
        "livemode": chance.random() < 0.01,
        "data": {
            "object": {
                "id": f"ch_{number}",
                "object": "charge",
                "payment_intent": chance.choice(["pi_1", None, {"id": "pi_2"}]),
                "parent": {"subscription_details": {"subscription": "sub_1"}},
            }
        },
    }


def _spoil(chance: Random, event: dict[str, Any]) -> None:
    """Put something else into one place of an event."""
    place = event
    while True:
        key = chance.choice(list(place) or ["new"])
        deeper = place.get(key)
        if isinstance(deeper, dict) and deeper and chance.random() < 0.7:
            place = deeper
            continue
        if chance.random() < 0.2:
            place.pop(key, None)
        else:
            place[key] = _value(chance, 3)
        return


def _value(chance: Random, depth: int) -> Any:
    kind = chance.randrange(9 if depth else 7)
    if kind == 7:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 8:
        return {
            chance.choice(_WORDS): _value(chance, depth - 1) for _ in range(chance.randrange(4))
        }
    return (
        None,
        chance.random() < 0.5,
        chance.choice([0, -1, 2**31, 2**63, 10**30]),
        chance.choice([0.5, -0.0, 1e308, float("inf"), float("nan")]),
        chance.choice(_WORDS),
        chance.choice(_WORDS) * chance.choice([1, 60, 300]),
        "".join(chr(chance.randrange(0xD7FF)) for _ in range(chance.randrange(8))),
    )[kind]


def _scratch(chance: Random, body: bytes) -> bytes:
    """Change, take out or put in a few bytes."""
    scratched = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(scratched) + 1)
        scratched[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(scratched)


def _signature(
    chance: Random, body: bytes, secret: bytes
) -> tuple[list[tuple[bytes, bytes]], bool | None]:
    """Return the header that signs a body, or something like it, and whether it does."""
    name, now = b"stripe-signature", int(time.time())
    good = signature.sign(body, secret=secret, at=now)
    kind = chance.random()
    if kind < 0.6:
        return [(name, good)], True
    if kind < 0.7:
        header = good[: chance.randrange(len(good))] + _noise(chance)
        return [(name, header)], None if header.startswith(good) else False
    if kind < 0.75:
        return [(name, _scratch(chance, good))], None
    if kind < 0.8:
        return [(name, good), (name, _noise(chance))], None
    stamp = b"t=%d," % now
    return chance.choice(
        [
            ([], False),
            ([(name, b"")], False),
            ([(name, _noise(chance))], False),
            ([(name, signature.sign(body, secret=b"", at=now))], False),
            ([(name, signature.sign(body, secret=b"whsec_other", at=now))], False),
            ([(name, signature.sign(body + b" ", secret=secret, at=now))], False),
            ([(name, signature.sign(body, secret=secret, at=now - 900))], False),
            ([(name, good.replace(b"v1=", b"v0="))], False),
            ([(name, stamp + good)], False),
            ([(name, stamp + b"v1=" + _noise(chance))], False),
            ([(name, good.upper())], False),
            ([(name, b"t=" + b"9" * 400 + b",v1=00")], False),
        ]
    )


def _noise(chance: Random) -> bytes:
    return chance.randbytes(chance.randrange(40)).translate(None, b"\r\n\x00")


def _cut(chance: Random, body: bytes) -> list[bytes]:
    at = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(1, 5)))
    return [body[i:j] for i, j in zip([0, *at], [*at, len(body)], strict=True)]


def main() -> int:
    """Run as many as asked for, on a database that goes away; the last line says what was found."""
    parser = argparse.ArgumentParser(prog="./dev fuzz")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_everything(given.database, Path(folder), given.requests, given.seed))
    for violation in found.violations[:_TELL]:
        print(violation)
    print(
        f"requests {given.requests} · answers"
        + "".join(f" {status}: {n}" for status, n in sorted(found.answers.items()))
        + f" · hung up {found.gone} · violations {len(found.violations)} · seed {given.seed}"
        f" · {given.database}"
    )
    return 1 if found.violations else 0


async def _everything(database: str, folder: Path, requests: int, seed: int) -> Found:
    from tests.support import postgres
    from tests.support.databases import PostgresqlTemplate, SqliteTemplate

    if database == "sqlite":
        with SqliteTemplate(folder).fresh() as url:
            return await _at_the_door(url, requests, seed)
    template = PostgresqlTemplate(postgres.server_url(), f"fuzz{os.getpid()}")
    try:
        with template.fresh() as url:
            return await _at_the_door(url, requests, seed)
    finally:
        template.close()


async def _at_the_door(url: str, requests: int, seed: int) -> Found:
    from pydantic import SecretStr

    from billing.context import open_context
    from billing.settings import Settings
    from service.app import build
    from tests.support.stripe import KEY, ROOT

    secret = "whsec_only_for_fuzzing"
    context = open_context(
        Settings(
            database_url=url,
            catalogue=ROOT / "catalogue.toml",
            stripe_key=SecretStr(KEY),
            stripe_webhook_secrets=(SecretStr(secret),),
        )
    )
    app = build(context)
    async with app.pages.router.lifespan_context(app.pages):
        found = await run(app, context.db, range(requests), seed=seed, secret=secret.encode())
    context.db.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
