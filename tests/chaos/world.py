"""A whole small world for one history: a local Stripe, a database, and the product between them.

Beginning anew is cheap, since thousands of histories do it: the database is a copy of a file, and
the local Stripe keeps nothing but the prices we sell.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from stripe import WebhookSignature

from billing.catalogue.push import push
from billing.context import Context, open_context
from billing.settings import Checkout, Mail, Settings
from tests.support import postgres
from tests.support.databases import PostgresqlTemplate, SqliteTemplate
from tests.support.ports import free_port
from tests.support.stripe import KEY, ROOT, LocalStripe, StripeProcess
from webhooks import router

SECRET = "whsec_only_for_tests"
Doc = dict[str, Any]
_KEPT = ("product", "price")


class World:
    """One local Stripe process and one kind of database, used by one history after another.

    Attributes:
        stripe: the local Stripe.
        context: the product's, as new since `begin`.
    """

    def __init__(self, directory: Path, *, database: str = "sqlite", worker: str = "chaos") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        clock_file = directory / "offset"
        self._process = StripeProcess(directory, port=free_port(), clock_file=clock_file)
        self._template: SqliteTemplate | PostgresqlTemplate = (
            SqliteTemplate(directory)
            if database == "sqlite"
            else PostgresqlTemplate(postgres.server_url(), worker)
        )
        self._process.wait()
        self.stripe = LocalStripe(self._process.url, self._process.file)
        self._settings = Settings(
            catalogue=ROOT / "catalogue.toml",
            secret_key=SecretStr("only-for-tests-only-for-tests-only-for-tests"),
            stripe_key=SecretStr(KEY),
            stripe_api_base=self._process.url,
            stripe_webhook_secrets=(SecretStr(SECRET),),
            clock_offset_file=clock_file,
            log_format="text",
            mail=Mail(port=1),
            checkout=Checkout(methods=("card", "bacs_debit")),
        )
        self._kept = self._sell()
        self._history, self._open = contextlib.ExitStack(), contextlib.ExitStack()
        self.context: Context
        self._client: TestClient

    def begin(self, *, closed: bool = False) -> None:
        """Forget everything, and begin a history; `closed` leaves it to another to open it."""
        self._history.close()
        self._history = contextlib.ExitStack()
        self.stripe.reset()
        with self._store() as store:
            put_back = "INSERT INTO object (id, type, parent, doc) VALUES (?, ?, ?, ?)"
            store.executemany(put_back, self._kept)
        url = self._history.enter_context(self._template.fresh())
        self._settings = self._settings.model_copy(update={"database_url": url})
        if not closed:
            self.restart()

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Open what `begin` left closed, in a process forked since: nothing may be shared."""
        self.stripe = LocalStripe(self._process.url, self._process.file)
        self.restart()
        with self._open:
            yield

    def shut(self) -> None:
        """Let go of the product, as if its process had ended; the database stays."""
        self._open.close()
        self._open = contextlib.ExitStack()

    def restart(self) -> None:
        """Begin a new process, as far as the product can tell: nothing is left but the database."""
        self.shut()
        self._history.callback(self._open.close)
        self.context = open_context(self._settings)
        self._open.callback(self.context.db.close)
        app = FastAPI()
        app.include_router(router.build(router.Door(self.context)))
        self._client = self._open.enter_context(TestClient(app, raise_server_exceptions=False))

    def deliver(self, events: Iterable[Doc]) -> list[int]:
        """Send events through the door; return what it answered."""
        return [self._send(event) for event in events]

    def objects(self) -> Iterator[Doc]:
        """Walk everything Stripe has, as it keeps it; the deleted as what is left of them.

        What Stripe shows only as a filter of a list, such as the payout of a movement, is `within`.
        """
        with self._store() as store:
            kept = store.execute("SELECT doc, parent FROM object ORDER BY seq").fetchall()
        for text, parent in kept:
            doc = json.loads(text)
            if parent:
                doc["within"] = parent
            yield doc

    def close(self) -> None:
        """End it."""
        self._history.close()
        self.stripe.close()
        self._process.stop()
        if isinstance(self._template, PostgresqlTemplate):
            self._template.close()

    def _send(self, event: Doc) -> int:
        body = json.dumps(event)
        header = WebhookSignature.generate_signature_header(body, SECRET, int(time.time()))
        answer = self._client.post(router.PATH, content=body, headers={"Stripe-Signature": header})
        return answer.status_code

    def _sell(self) -> list[tuple[Any, ...]]:
        """Put the catalogue into the template and on sale at Stripe; return Stripe's rows of it."""
        settings = self._settings.model_copy(update={"database_url": self._template.url})
        context = open_context(settings)
        push(context.db, context.gateway, context.catalogue, now=context.clock.now())
        context.db.close()
        with self._store() as store:
            marks = ", ".join("?" for _ in _KEPT)
            found = f"SELECT id, type, parent, doc FROM object WHERE type IN ({marks})"  # noqa: S608
            return store.execute(found, _KEPT).fetchall()

    @contextlib.contextmanager
    def _store(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._process.file, timeout=30)) as store, store:
            yield store
