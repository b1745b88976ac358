"""How a message leaves us: one SMTP connection for a batch.

A server's answer is one of three: taken, never (5xx), or not now. Whatever goes wrong with the
connection itself, wrong passwords included, is *not now*: it is no fault of the message.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from email.message import EmailMessage
from typing import Final, Protocol

from billing.errors import BillingError
from billing.settings import Mail
from emails.message import sender_address

_PATIENCE: Final = 10.0  # seconds to wait for each answer of the server
_REFUSED: Final = 500


class MailRefusedError(BillingError):
    """The server will never take this message for this address."""


class MailDelayedError(BillingError):
    """The server did not take the message now; it may later."""


class Line(Protocol):
    """A way to a mail server, open for one batch."""

    def send(self, message: EmailMessage) -> None:
        """Hand over one message.

        Raises:
            MailRefusedError: never.
            MailDelayedError: not now.
        """


class Transport(Protocol):
    """A way to open lines."""

    def open(self) -> AbstractContextManager[Line]:
        """Open a line for one batch."""


class SmtpTransport:
    """The paper's mail server."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    @contextmanager
    def open(self) -> Iterator[Line]:
        """Open a line; it connects with the first message and again after a broken connection."""
        line = _SmtpLine(self._mail)
        try:
            yield line
        finally:
            line.close()


class _SmtpLine:
    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._sender = sender_address(mail)
        self._server: smtplib.SMTP | None = None
        self._down = ""  # why there is no connection: the rest of the batch need not wait for it

    def send(self, message: EmailMessage) -> None:
        server = self._server or self._connect()
        to = message["To"].addresses[0].addr_spec
        try:
            server.send_message(message, from_addr=self._sender, to_addrs=[to])
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _answer(code, said, about=to) from None
        except smtplib.SMTPSenderRefused as error:
            words = _words(error.smtp_code, error.smtp_error, about=to)
            raise MailDelayedError(f"our own sender was refused: {words}") from None
        except smtplib.SMTPDataError as error:
            raise _answer(error.smtp_code, error.smtp_error, about=to) from None
        except smtplib.SMTPNotSupportedError:
            raise MailRefusedError("the server takes no addresses beyond ASCII") from None
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise MailDelayedError(f"the connection broke: {type(error).__name__}") from None

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        if self._down:
            raise MailDelayedError(self._down)
        try:
            self._server = connect(self._mail)
        except (OSError, smtplib.SMTPException) as error:
            self._down = f"no connection to the mail server: {type(error).__name__}"
            raise MailDelayedError(self._down) from None
        return self._server


def connect(mail: Mail) -> smtplib.SMTP:
    """Connect to the mail server as the settings say, signed in where they name a user.

    Raises:
        OSError, smtplib.SMTPException: it does not answer, or not as it should.
    """
    server = smtplib.SMTP(mail.host, mail.port, timeout=_PATIENCE)
    try:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _answer(code: int, said: bytes | str, *, about: str) -> BillingError:
    kind = MailRefusedError if code >= _REFUSED else MailDelayedError
    return kind(_words(code, said, about=about))


def _words(code: int, said: bytes | str, *, about: str) -> str:
    """Return the server's answer without the address, which servers like to repeat."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split()).replace(about, '<the address>')}"[:300]
