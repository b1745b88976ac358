"""From the words of a mail to a message a mail server takes.

Its Message-ID is the outbox row's on our own domain, the same for every attempt: where a mail is
sent twice, mail programs can tell that it is one.
"""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from email_validator import EmailNotValidError, validate_email

from billing.settings import Mail
from emails.compose import Composed, UnwritableMailError


def write(
    composed: Composed, mail: Mail, *, to: str, message_id: str, now: datetime
) -> EmailMessage:
    """Return the message: text and HTML, answered to a person, never answered by a machine.

    Raises:
        UnwritableMailError: `to` is no address mail can go to.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = mail.sender
    message["To"] = _address(to)
    message["Reply-To"] = mail.reply_to
    message["Subject"] = composed.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender_address(mail).rpartition('@')[2]}>"
    # An absence note that answers us would only reach a person.
    # Source: https://www.rfc-editor.org/rfc/rfc3834#section-5
    message["Auto-Submitted"] = "auto-generated"
    # Quoted-printable: not every server on the way takes eight bits.
    message.set_content(composed.text, cte="quoted-printable")
    message.add_alternative(composed.html, subtype="html", cte="quoted-printable")
    # Last, since `add_alternative` gives every Content header there is to the first part.
    message["Content-Language"] = "en-GB"
    return message


def sender_address(mail: Mail) -> str:
    """Return the bare address our mail is from: the envelope's sender."""
    return parseaddr(mail.sender)[1]


def _address(to: str) -> Address:
    try:
        valid = validate_email(to, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        # Without the library's own words: they repeat the address, and this text is kept.
        raise UnwritableMailError("the address is not one that mail can go to") from None
    return Address(username=valid.local_part, domain=valid.ascii_domain)
