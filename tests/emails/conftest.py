"""What the tests of mail share: everything but Stripe, and a clock of its own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from billing.clock import Clock
from billing.context import Context, open_context
from billing.db import Database
from billing.notices import Notice
from billing.outbox import owe
from billing.settings import Settings
from emails.transports import SmtpTransport


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """The system's clock; `wait` moves it."""
    return Clock(tmp_path / "offset")


@pytest.fixture
def wait(clock: Clock) -> Callable[[int], None]:
    """Let so many seconds pass."""

    def wait(seconds: int) -> None:
        assert clock.offset_file is not None
        clock.offset_file.write_text(str(seconds))

    return wait


@pytest.fixture
def context(db: Database, settings: Settings, clock: Clock) -> Iterator[Context]:
    """No mail asks Stripe anything, so nothing is pushed to it here."""
    del db  # only that it is there
    opened = replace(open_context(settings), clock=clock)
    yield opened
    opened.db.close()


@pytest.fixture
def owed(context: Context) -> Callable[..., None]:
    """Owe a notice to an address, as the verbs do."""

    def owed(notice: Notice, *, to: str = "rosa@example.org", fact: str = "fact:1") -> None:
        with context.db.unit_of_work() as session:
            owe(session, notice, to=to, fact=fact, now=context.clock.now())

    return owed


@pytest.fixture
def transport(settings: Settings) -> SmtpTransport:
    return SmtpTransport(settings.mail)
