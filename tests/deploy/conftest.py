"""The real product on a port of its own, three free articles long, and visitors who forget nothing.

What a visitor was sent is kept to the byte, so that a test can say what was in no response.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from pydantic import SecretStr

from billing import access, readers, sign_in
from billing.context import Context
from billing.models import EntitlementSource
from billing.settings import Paywall, Settings
from tests.support.databases import SqliteTemplate
from tests.support.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
KEY = "a-key-of-the-paper-a-key-of-the-paper"
LIMIT = 3


class Visitor(httpx2.Client):
    """One browser: its cookies, and every byte it was ever sent.

    Attributes:
        seen: all answers, headers and bodies, as one text.
    """

    def __init__(self, address: str, **how: Any) -> None:
        super().__init__(base_url=address, timeout=10, trust_env=False, **how)
        self.seen = ""

    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """Send a request and keep the answer."""
        answer = super().send(request, **how)
        self.seen += f"{answer.headers}\n{answer.text}\n"
        return answer

    def besides(self, headers: dict[str, str]) -> dict[str, str]:
        """Return made-up headers for a request that brings this browser's cookies all the same.

        Without them it would be a new visitor, whom three articles are free for.
        """
        own = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {n: f"{own}; {v}" if n == "Cookie" else v for n, v in headers.items()}


@pytest.fixture
def database_url(sqlite_template: SqliteTemplate) -> Iterator[str]:
    """A fresh database; whoever stands before the product does not notice of which kind it is."""
    with sqlite_template.fresh() as url:
        yield url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three free articles, a key for the paper's server, and a paper that knows the way back."""
    paywall = Paywall(limit=LIMIT, keys=(SecretStr(KEY),), article_path="/article/{article}")
    return settings.model_copy(update={"paywall": paywall})


@pytest.fixture
def paywall(context: Context) -> Iterator[str]:
    """The address of the product, running."""
    from service.app import build

    with serving(build(context)) as address:
        yield address


@contextmanager
def serving(app: Any, *, port: int = 0) -> Iterator[str]:
    """Run an application in a thread, as `billing serve` runs it in a process."""
    door = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        door.close()


@pytest.fixture
def nobody() -> str:
    """An address at which nobody answers."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def session_token(context: Context) -> str:
    """What the browser of a subscriber keeps in the cookie `reader`."""
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        reader = readers.create(session, now=now)
        access.grant(
            session,
            reader_id=reader.id,
            source=EntitlementSource.SUBSCRIPTION,
            source_id="one",
            term=access.Term(now, None, "Subscription"),
            now=now,
        )
        return sign_in.begin_session(session, reader_id=reader.id, now=now)
