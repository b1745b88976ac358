from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from billing.settings import Mail
from emails.compose import Composed, UnwritableMailError
from emails.message import write

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MAIL = Mail(sender="Morning Star <support@paper.example>", reply_to="help@paper.example")
WORDS = Composed(subject="Your £5: thank you", text="Zażółć £5\n", html="<p>Zażółć £5</p>\n")


def written(*, words: Composed = WORDS, to: str = "rosa@example.org") -> EmailMessage:
    return write(words, MAIL, to=to, message_id="0123abcd", now=NOW)


def arrived(message: EmailMessage) -> EmailMessage:
    read = message_from_bytes(bytes(message), policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def test_the_headers_are_these_and_no_others() -> None:
    message = arrived(written())

    assert {name: str(value) for name, value in message.items()} == {
        "From": "Morning Star <support@paper.example>",
        "To": "rosa@example.org",
        "Reply-To": "help@paper.example",
        "Subject": "Your £5: thank you",
        "Date": "Mon, 23 Nov 2026 10:00:00 +0000",
        "Message-ID": "<0123abcd@paper.example>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en-GB",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert message.get_content_type() == "multipart/alternative"


def test_the_text_comes_first_and_both_parts_arrive_as_written() -> None:
    parts = list(arrived(written()).iter_parts())

    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [part.get_content().replace("\r\n", "\n") for part in parts] == [WORDS.text, WORDS.html]


def test_the_message_is_seven_bit_for_the_oldest_server_on_the_way() -> None:
    assert bytes(written()).isascii()


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_subject_of_several_lines_is_refused(end: str) -> None:
    words = Composed(subject=f"Hello{end}Bcc: all@example.org", text="", html="")

    with pytest.raises(ValueError, match=r"linefeed|carriage"):
        written(words=words)


@pytest.mark.parametrize(
    "to",
    [
        "",
        "nobody",
        "rosa@example.org\nBcc: all@example.org",
        "rosa@example.org, all@example.org",
        "Rosa <rosa@example.org>",
        "rosa@exa mple.org",
    ],
)
def test_what_is_not_one_address_is_refused(to: str) -> None:
    with pytest.raises(UnwritableMailError, match=r"^the address is not one that mail can go to$"):
        written(to=to)


def test_a_domain_beyond_ascii_is_written_as_the_domain_system_knows_it() -> None:
    assert str(written(to="rosa@zeitung-münchen.example")["To"]) == (
        "rosa@xn--zeitung-mnchen-osb.example"
    )
