"""What a mail server may answer, and what we make of it. The servers are real, on real sockets."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from billing.settings import Mail
from emails.compose import Composed
from emails.message import write
from emails.transports import MailDelayedError, MailRefusedError, SmtpTransport
from tests.support.ports import free_port

WORDS = Composed(subject="Hello", text="Hello\n", html="<p>Hello</p>\n")


def message(mail: Mail, *, to: str = "rosa@example.org") -> EmailMessage:
    return write(WORDS, mail, to=to, message_id="1", now=datetime(2026, 11, 23, tzinfo=UTC))


class Server:
    """A mail server that answers each command as it is told to.

    Attributes:
        answers: the answer to a command, by its name; 250 where there is none.
        took: the recipients of what it took.
        connections: how many there have been.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.took: list[str] = []
        self.connections = 0

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get(f"RCPT {address}", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            self.took.extend(envelope.rcpt_tos)
        if answer.startswith("hang up"):
            session.transport_closed = True
            server.transport.close()
        return answer


@pytest.fixture
def listening() -> Iterator[Callable[..., tuple[Server, Mail]]]:
    started: list[Controller] = []

    def listening(**how: Any) -> tuple[Server, Mail]:
        server, port = Server(), free_port()
        controller = Controller(server, hostname="127.0.0.1", port=port, **how)
        controller.start()
        started.append(controller)
        return server, Mail(host="127.0.0.1", port=port, sender="Star <star@paper.example>")

    yield listening
    for controller in started:
        controller.stop()


Listening = Callable[..., tuple[Server, Mail]]


def test_a_batch_goes_over_one_connection(listening: Listening) -> None:
    server, mail = listening()

    with SmtpTransport(mail).open() as line:
        line.send(message(mail, to="a@example.org"))
        line.send(message(mail, to="b@example.org"))

    assert (server.connections, server.took) == (1, ["a@example.org", "b@example.org"])


@pytest.mark.parametrize(
    ("command", "answer", "kind"),
    [
        ("RCPT rosa@example.org", "550 5.1.1 no such person", MailRefusedError),
        ("RCPT rosa@example.org", "450 4.2.1 mailbox busy", MailDelayedError),
        ("DATA", "554 5.7.1 not wanted", MailRefusedError),
        ("DATA", "452 4.3.1 disk full", MailDelayedError),
    ],
)
def test_five_hundred_is_never_and_four_hundred_is_not_now(
    listening: Listening, command: str, answer: str, kind: type[Exception]
) -> None:
    server, mail = listening()
    server.answers[command] = answer

    with SmtpTransport(mail).open() as line, pytest.raises(kind, match=answer):
        line.send(message(mail))


def test_one_refused_mail_does_not_spoil_the_next(listening: Listening) -> None:
    server, mail = listening()
    server.answers["RCPT gone@example.org"] = "550 gone"

    with SmtpTransport(mail).open() as line:
        with pytest.raises(MailRefusedError):
            line.send(message(mail, to="gone@example.org"))
        line.send(message(mail, to="here@example.org"))

    assert server.took == ["here@example.org"]


def test_our_own_sender_refused_is_our_own_mistake_and_not_the_readers(
    listening: Listening,
) -> None:
    server, mail = listening()
    server.answers["MAIL"] = "553 5.7.1 not your address"

    with (
        SmtpTransport(mail).open() as line,
        pytest.raises(MailDelayedError, match=r"our own sender was refused: 553"),
    ):
        line.send(message(mail))


def test_a_connection_that_breaks_is_opened_again_for_the_next_mail(listening: Listening) -> None:
    server, mail = listening()
    server.answers["DATA"] = "hang up"

    with SmtpTransport(mail).open() as line:
        with pytest.raises(MailDelayedError, match="the connection broke"):
            line.send(message(mail))
        server.answers.clear()
        line.send(message(mail))

    assert (server.connections, server.took) == (2, ["rosa@example.org"])


def test_no_server_is_not_now() -> None:
    mail = Mail(host="127.0.0.1", port=free_port())

    with SmtpTransport(mail).open() as line:
        for _ in range(2):
            with pytest.raises(MailDelayedError, match="no connection to the mail server"):
                line.send(message(mail))


def test_mail_is_not_sent_in_the_clear_where_it_should_be_sealed(listening: Listening) -> None:
    server, mail = listening()
    sealed = mail.model_copy(update={"starttls": True})

    with SmtpTransport(sealed).open() as line, pytest.raises(MailDelayedError):
        line.send(message(sealed))

    assert server.took == []


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_we_sign_in_where_the_server_asks_for_it(listening: Listening, password: str) -> None:
    def authenticate(
        server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        known = (data.login, data.password) == (b"star", b"right")
        return AuthResult(success=known, handled=False)

    server, mail = listening(authenticator=authenticate, auth_require_tls=False)
    known = mail.model_copy(update={"user": "star", "password": SecretStr(password)})

    with SmtpTransport(known).open() as line:
        if password == "right":
            line.send(message(known))
        else:
            with pytest.raises(MailDelayedError, match="no connection"):
                line.send(message(known))

    assert server.took == (["rosa@example.org"] if password == "right" else [])


def test_an_address_beyond_ascii_reaches_a_server_that_can_take_it(listening: Listening) -> None:
    server, mail = listening(enable_SMTPUTF8=True)

    with SmtpTransport(mail).open() as line:
        line.send(message(mail, to="różą@example.org"))

    assert server.took == ["różą@example.org"]


def test_an_address_beyond_ascii_is_refused_where_the_server_cannot_take_it(
    listening: Listening,
) -> None:
    server, mail = listening(enable_SMTPUTF8=False)

    with (
        SmtpTransport(mail).open() as line,
        pytest.raises(MailRefusedError, match="beyond ASCII"),
    ):
        line.send(message(mail, to="różą@example.org"))

    assert server.took == []
