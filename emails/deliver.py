"""Sending the mail we owe: claim, send, mark. No transaction is open while a server is spoken to.

A crash after the server took a mail and before we marked it sends that mail again, under the same
Message-ID: at least once, not exactly once. SMTP allows no better. Addresses and words of mail
are never logged.
"""

import time
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final

import structlog
from pydantic import ValidationError

from billing import queue, tasks
from billing.context import Context
from billing.errors import BillingError, StaleReadError
from billing.models import OutboxMessage
from billing.notices import KINDS, Notice, SignIn
from emails.compose import UnwritableMailError, compose
from emails.message import write
from emails.transports import Line, MailDelayedError, MailRefusedError, Transport

_log = structlog.get_logger(__name__)

# A batch ends in good time before its leases do, so that nobody else sends what we still hold.
_BATCH_SECONDS: Final = 60.0
# The waits grow to an hour: some three days, as long as mail servers themselves keep trying.
ATTEMPTS: Final = 84


class _ExpiredError(BillingError):
    """What the mail offers no longer works; nobody is helped by sending it."""


def deliver_due(context: Context, transport: Transport, *, most: int = 20) -> int:
    """Send the mail that is due, up to `most`. Safe in several workers at once.

    Returns:
        How many were looked after: sent, put off or given up.
    """
    with context.db.unit_of_work() as session:
        rows = queue.claim_due(session, OutboxMessage, now=context.clock.now(), most=most)
    if not rows:
        return 0
    begun = time.monotonic()
    with transport.open() as line:
        for done, row in enumerate(rows):
            if time.monotonic() - begun > _BATCH_SECONDS:
                _leave(context, rows[done:])
                return done
            _deliver(context, line, row)
    return len(rows)


def _deliver(context: Context, line: Line, row: OutboxMessage) -> None:
    """Send one mail and mark how it went."""
    try:
        try:
            line.send(_message(context, row))
        except MailDelayedError as error:
            _put_off(context, row, error)
        except _ExpiredError as error:
            _give_up(context, row, error, task="")
        except MailRefusedError as error:
            _give_up(context, row, error, task="mail-bounced")
        except UnwritableMailError as error:
            _give_up(context, row, error, task="mail-unwritable")
        else:
            _mark_sent(context, row)
    except StaleReadError:
        _log.warning("mail_taken_over", outbox=row.id, kind=row.kind)


def _leave(context: Context, rows: Sequence[OutboxMessage]) -> None:
    """Let go of what there was no time for."""
    with context.db.unit_of_work() as session:
        for row in rows:
            queue.give_back(session, row)


def _message(context: Context, row: OutboxMessage) -> EmailMessage:
    """Return the message of a row.

    Raises:
        UnwritableMailError: for whatever reason it cannot be written.
        _ExpiredError: it comes too late.
    """
    if queue.is_deadly(row):
        raise UnwritableMailError(f"{row.lost_leases} workers died with it in hand")
    notice, now = _notice(row), context.clock.now()
    if isinstance(notice, SignIn) and notice.expires_at <= now:
        raise _ExpiredError("the sign-in link had run out before it could be sent")
    mail = context.settings.mail
    try:
        composed = compose(notice, context.settings)
        return write(composed, mail, to=row.to_address, message_id=row.message_id, now=now)
    except UnwritableMailError:
        raise
    except Exception as error:
        # Whatever is wrong with one mail, the mails behind it go out. The error's own words stay
        # out of the database: they may quote the reader.
        raise UnwritableMailError(f"writing it failed: {type(error).__name__}") from error


def _notice(row: OutboxMessage) -> Notice:
    kind = KINDS.get(row.kind)
    if kind is None:
        raise UnwritableMailError("no such kind of notice")
    try:
        return kind.model_validate(row.payload)
    except ValidationError as error:
        fields = sorted({".".join(map(str, wrong["loc"])) for wrong in error.errors()})
        raise UnwritableMailError(f"its notice cannot be read: {', '.join(fields)}") from None


def _mark_sent(context: Context, row: OutboxMessage) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        queue.finish(session, row)
        sent = session.get_one(OutboxMessage, row.id)
        sent.sent_at = now
        _forget_secret(sent)
    _log.info("mail_sent", outbox=row.id, kind=row.kind, attempt=row.attempts)


def _put_off(context: Context, row: OutboxMessage, error: BillingError) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        parked = queue.retry(session, row, error=str(error), now=now, attempts=ATTEMPTS)
        if parked:
            tasks.raise_task(session, "mail-bounced", **_for_staff(row, error), now=now)
    _log.warning("mail_delayed", outbox=row.id, kind=row.kind, attempt=row.attempts, parked=parked)


def _give_up(context: Context, row: OutboxMessage, error: BillingError, *, task: str) -> None:
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        queue.park(session, row, error=str(error))
        _forget_secret(session.get_one(OutboxMessage, row.id))
        if task:
            tasks.raise_task(session, task, **_for_staff(row, error), now=now)
    _log.warning("mail_parked", outbox=row.id, kind=row.kind, attempt=row.attempts)


def _forget_secret(row: OutboxMessage) -> None:
    """Keep no working link in the database longer than its mail needs it."""
    kind = KINDS.get(row.kind)
    if kind is not None and kind.secret:
        row.payload = {}


def _for_staff(row: OutboxMessage, error: BillingError) -> dict[str, str]:
    return {
        "subject": f"outbox:{row.id}",
        "detail": (
            f"The mail {row.kind} about {row.fact} was not sent: {error}. The reader has not been "
            "told: correct the cause and send it again, or tell them another way."
        ),
    }
