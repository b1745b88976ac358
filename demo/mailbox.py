"""The mailbox: one folder, one .eml file for each message, exactly as it arrived.

A file's name is its id and says when the message came; it is never changed once it is there. So
the folder is the whole state: a restart reads it again, and parsed messages may be remembered.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import MIMEPart
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from secrets import token_hex
from typing import Final

ID: Final = re.compile(r"\d{8}T\d{6}-\d{6}-[0-9a-f]{6}")
STAMP: Final = "%Y%m%dT%H%M%S-%f"
ADDRESS: Final = re.compile(r"https?://[^\s<>\"'\])]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One message, readable."""

    id: str
    received: datetime
    recipients: tuple[str, ...]  # from the envelope: where it really went
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str | None
    links: tuple[str, ...]


class Mailbox:
    """Every message the demonstration has sent."""

    def __init__(self, folder: Path) -> None:
        """Open the mailbox, making its folder where there is none."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, content: bytes, *, recipients: list[str], now: datetime) -> str:
        """Store one message and return its id.

        The envelope's recipients go on top as a delivery agent would write them: a message's own
        To line need not say where it went.
        """
        mail_id = f"{now.astimezone(UTC):{STAMP}}-{token_hex(3)}"
        top = "".join(f"Delivered-To: {' '.join(address.split())}\r\n" for address in recipients)
        half = self._folder / f"{mail_id}.part"
        half.write_bytes(top.encode("utf-8") + content)
        half.rename(self._folder / f"{mail_id}.eml")  # whole, or not there at all
        return mail_id

    def mails(self, *, to: str = "") -> list[Mail]:
        """Return the messages, newest first; with `to`, only those delivered to that address."""
        ids = sorted(filter(ID.fullmatch, (p.stem for p in self._folder.glob("*.eml"))))
        found = (self.mail(mail_id) for mail_id in reversed(ids))
        wanted = to.strip().lower()
        return [
            mail
            for mail in found
            if mail and (not wanted or wanted in (a.lower() for a in mail.recipients))
        ]

    def mail(self, mail_id: str) -> Mail | None:
        """Return one message, or None where there is none by that id."""
        path = self._folder / f"{mail_id}.eml"
        if not ID.fullmatch(mail_id) or not path.is_file():
            return None
        return _parse(path)

    def clear(self) -> None:
        """Throw every message away."""
        for path in self._folder.glob("*.eml"):
            path.unlink(missing_ok=True)


@lru_cache(maxsize=2000)
def _parse(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    text = _content(message.get_body(("plain",)))
    html = _content(message.get_body(("html",)))
    return Mail(
        id=path.stem,
        received=datetime.strptime(path.stem.rpartition("-")[0], STAMP).replace(tzinfo=UTC),
        recipients=tuple(str(value) for value in message.get_all("Delivered-To", [])),
        subject=str(message.get("Subject", "(no subject)")),
        headers=tuple((name, str(value)) for name, value in message.items()),
        text=text or "",
        html=html,
        links=_links(text or "", html or ""),
    )


def _content(part: MIMEPart | None) -> str | None:
    """Return a part's words; one in a charset that does not exist is shown as well as it goes."""
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):
        raw = part.get_payload(decode=True)
        return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def _links(text: str, html: str) -> tuple[str, ...]:
    """Return every web address in the two parts once, in the order in which a reader meets it."""
    in_text = [found.rstrip(".,;:!?") for found in ADDRESS.findall(text)]
    collector = _Hrefs()
    collector.feed(html)
    return tuple(dict.fromkeys(in_text + collector.found))


class _Hrefs(HTMLParser):
    """Collects the web addresses that a message's links lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "a" and href.startswith(("http://", "https://")):
            self.found.append(href)
