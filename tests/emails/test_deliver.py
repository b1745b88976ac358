"""Owed mail arrives, whatever becomes of the workers."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from billing.context import Context
from billing.models import OutboxMessage, OwedState
from billing.notices import KINDS, SignIn
from billing.settings import Settings
from emails.compose import compose
from emails.deliver import deliver_due
from emails.preview import samples
from emails.transports import Line, SmtpTransport
from tests.emails.owed import ENDING, Owed, row
from tests.support.smtp import MailCatcher


def test_every_kind_arrives_as_it_was_composed_and_once(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    # Sign-in links run out; this one must not have.
    fresh = [
        notice.model_copy(update={"expires_at": context.clock.now() + timedelta(minutes=20)})
        if isinstance(notice, SignIn)
        else notice
        for notice in samples(context.settings)
    ]
    for notice in fresh:
        owed(notice, to=f"{notice.kind}@example.org")

    assert deliver_due(context, transport) == len(KINDS)
    assert deliver_due(context, transport) == 0

    expected = {n.kind: compose(n, context.settings) for n in fresh}
    came = {str(m["To"]).partition("@")[0]: m for m in smtp.messages}
    assert len(smtp.messages) == len(came)
    assert {kind: str(m["Subject"]) for kind, m in came.items()} == {
        kind: words.subject for kind, words in expected.items()
    }
    for kind, message in came.items():
        parts = [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()]
        assert parts == [expected[kind].text, expected[kind].html]


def test_a_sent_mail_is_marked_with_the_moment(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    owed(ENDING)
    before = context.clock.now()

    deliver_due(context, transport)

    sent = row(context)
    assert sent.state is OwedState.DONE
    assert sent.sent_at is not None
    assert before <= sent.sent_at <= context.clock.now()
    assert str(smtp.messages[0]["Message-ID"]) == f"<{sent.message_id}@localhost>"


def test_nothing_owed_means_no_connection(context: Context, settings: Settings) -> None:
    nowhere = SmtpTransport(settings.mail.model_copy(update={"port": 1}))

    assert deliver_due(context, nowhere) == 0


def test_no_more_is_sent_than_asked_for(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    for number in range(3):
        owed(ENDING, fact=f"fact:{number}")

    assert deliver_due(context, transport, most=2) == 2
    assert len(smtp.messages) == 2


def test_two_workers_at_once_send_each_mail_once(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    for number in range(24):
        owed(ENDING, fact=f"fact:{number}")
    begin = threading.Barrier(2)

    def work() -> None:
        begin.wait()
        while deliver_due(context, transport, most=3):
            pass

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    with context.db.reading() as session:
        owed_ids = session.scalars(sa.select(OutboxMessage.message_id)).all()
    arrived = Counter(str(message["Message-ID"]) for message in smtp.messages)
    assert arrived == Counter({f"<{name}@localhost>": 1 for name in owed_ids})


class Dying:
    """A worker's mail server that takes a message, and the worker dies of it."""

    def __init__(self, transport: SmtpTransport) -> None:
        self._transport = transport

    @contextmanager
    def open(self) -> Iterator[Line]:
        with self._transport.open() as line:
            self._line = line
            yield self

    def send(self, message: EmailMessage) -> None:
        self._line.send(message)
        raise SystemExit


def test_a_worker_that_dies_after_sending_leaves_a_mail_that_goes_again_under_the_same_name(
    context: Context,
    transport: SmtpTransport,
    smtp: MailCatcher,
    owed: Owed,
    wait: Callable[[int], None],
) -> None:
    owed(ENDING)
    with pytest.raises(SystemExit):
        deliver_due(context, Dying(transport))
    assert deliver_due(context, transport) == 0  # somebody may still be at it

    wait(121)
    assert deliver_due(context, transport) == 1

    names = [str(message["Message-ID"]) for message in smtp.messages]
    assert names == [f"<{row(context).message_id}@localhost>"] * 2
    assert row(context).state is OwedState.DONE


class Slow(Dying):
    """A mail server so slow that another worker takes the row meanwhile."""

    def __init__(self, transport: SmtpTransport, context: Context) -> None:
        super().__init__(transport)
        self._context = context

    def send(self, message: EmailMessage) -> None:
        self._line.send(message)
        with self._context.db.unit_of_work() as session:
            session.execute(sa.update(OutboxMessage).values(attempts=OutboxMessage.attempts + 1))


def test_a_worker_that_lost_its_lease_writes_nothing_and_does_not_fall_over(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    owed(ENDING)

    assert deliver_due(context, Slow(transport, context)) == 1

    taken_over = row(context)
    assert (taken_over.state, taken_over.sent_at) == (OwedState.RUNNING, None)


@pytest.mark.parametrize("answer", ["250 OK", "451 rosa@example.org", "550 rosa@example.org"])
def test_the_log_names_the_row_and_never_the_reader(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed, answer: str
) -> None:
    owed(ENDING)
    smtp.answer = answer

    with capture_logs() as logged:
        deliver_due(context, transport)

    assert [line["outbox"] for line in logged] == [row(context).id]
    assert "rosa" not in str(logged)
    assert "rosa" not in row(context).last_error


def test_the_mail_is_from_us_and_answered_by_a_person(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    mail = context.settings.mail.model_copy(
        update={"sender": "Morning Star <support@paper.example>", "reply_to": "help@paper.example"}
    )
    settings = context.settings.model_copy(update={"mail": mail})
    owed(ENDING)

    deliver_due(replace(context, settings=settings), SmtpTransport(mail))

    message = smtp.messages[0]
    assert str(message["From"]) == "Morning Star <support@paper.example>"
    assert str(message["Reply-To"]) == "help@paper.example"


def test_a_sign_in_link_is_forgotten_once_its_mail_is_sent(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed
) -> None:
    link = "https://billing.example/sign-in/secret"
    expires = context.clock.now() + timedelta(minutes=20)
    owed(SignIn(link=link, code="123456", expires_at=expires), to="gwen@example.org")

    deliver_due(context, transport)

    assert (row(context).state, row(context).payload) == (OwedState.DONE, {})


def test_what_a_batch_had_no_time_for_is_due_at_once_and_was_not_lost(
    context: Context, transport: SmtpTransport, smtp: MailCatcher, owed: Owed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    owed(ENDING)
    monkeypatch.setattr("emails.deliver._BATCH_SECONDS", -1.0)
    assert deliver_due(context, transport) == 0
    left = row(context)
    assert (left.state, left.attempts, left.lost_leases) == (OwedState.READY, 0, 0)

    monkeypatch.undo()
    assert deliver_due(context, transport) == 1
    assert len(smtp.messages) == 1
