"""The SMTP door of the mailbox: it takes every message from this machine and sends none on."""

import asyncio
import socket
from datetime import UTC, datetime
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.mailbox import Mailbox

LARGEST: Final = 10 * 1024 * 1024


class Catcher:
    """Answers the one SMTP command which matters here: DATA."""

    def __init__(self, mailbox: Mailbox) -> None:
        """Catch mail for this mailbox."""
        self._mailbox = mailbox

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the message; say 250 only once it is on disk."""
        content = envelope.original_content or b""
        recipients = [str(address) for address in envelope.rcpt_tos]
        mail_id = await asyncio.to_thread(
            self._mailbox.keep, content, recipients=recipients, now=datetime.now(UTC)
        )
        return f"250 Kept as {mail_id}"


async def listen(mailbox: Mailbox, door: socket.socket) -> asyncio.Server:
    """Start catching mail at an open, listening socket."""
    catcher = Catcher(mailbox)
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(catcher, hostname="localhost", enable_SMTPUTF8=True, data_size_limit=LARGEST),
        sock=door,
    )
