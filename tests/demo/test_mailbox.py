"""The mailbox catches real SMTP and shows what it caught, safely."""

import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from demo.mailbox import Mailbox
from tests.demo.conftest import Paper

FORMATTED = """<html><head><title>T</title></head><body>
<p>Thank you.</p><a href="http://localhost:8000/account?a=1&amp;b=2">Account</a>
<script>document.title = "taken"</script></body></html>"""


def letter(to: str, subject: str = "Your gift: £25") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Morning Star <hello@paper.example>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Thank you, Zoë.\n\nSee http://localhost:8000/receipts/1.\n")
    message.add_alternative(FORMATTED, subtype="html")
    return message


def post(paper: Paper, *messages: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", paper.smtp_port, timeout=5) as smtp:
        for message in messages:
            smtp.send_message(message)


@pytest.fixture(autouse=True)
def _empty(paper: Paper) -> None:
    assert paper.http.delete("/mailbox").status_code == 204


def test_a_message_sent_over_smtp_is_caught_and_listed(paper: Paper) -> None:
    post(paper, letter("zoe@example.org"), letter("other@example.org", subject="Second"))

    [row] = paper.http.get("/mailbox.json", params={"to": "Zoe@example.org"}).json()

    assert row["to"] == ["zoe@example.org"]
    assert row["subject"] == "Your gift: £25"
    assert "Thank you, Zoë." in row["text"]
    assert row["links"] == [
        "http://localhost:8000/receipts/1",
        "http://localhost:8000/account?a=1&b=2",
    ]
    listing = paper.http.get("/mailbox").text
    assert listing.index("Second") < listing.index("Your gift: £25"), "newest first"


def test_where_it_went_is_the_envelope_and_not_the_to_line(paper: Paper) -> None:
    message = letter("shown@example.org")
    with smtplib.SMTP("127.0.0.1", paper.smtp_port, timeout=5) as smtp:
        smtp.send_message(message, to_addrs=["really@example.org"])

    rows = paper.http.get("/mailbox.json").json()

    assert [row["to"] for row in rows] == [["really@example.org"]]


def test_a_message_is_shown_with_its_headers_and_its_html_in_a_cage(paper: Paper) -> None:
    post(paper, letter("zoe@example.org"))
    [row] = paper.http.get("/mailbox.json").json()

    page = paper.http.get(f"/mailbox/{row['id']}")
    html = paper.http.get(f"/mailbox/{row['id']}/html")

    assert "hello@paper.example" in page.text
    assert "<script>" not in page.text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    policy = html.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    assert "Thank you." in html.text


def test_the_mailbox_is_emptied_from_its_page_but_not_from_a_foreign_one(paper: Paper) -> None:
    post(paper, letter("zoe@example.org"))

    foreign = paper.http.post("/mailbox/clear", headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert len(paper.http.get("/mailbox.json").json()) == 1

    own = paper.http.post("/mailbox/clear", headers={"sec-fetch-site": "same-origin"})
    assert own.status_code == 303
    assert paper.http.get("/mailbox.json").json() == []


def test_an_id_is_not_a_path(paper: Paper, tmp_path: Path) -> None:
    (tmp_path / "secret.eml").write_text("Subject: secret\n\n")

    assert Mailbox(tmp_path / "mailbox").mail("../secret") is None
    assert paper.http.get("/mailbox/..%2fsecret").status_code == 404


def test_a_message_in_an_unknown_charset_is_shown_as_well_as_it_goes(paper: Paper) -> None:
    odd = b'Subject: Odd\r\nContent-Type: text/plain; charset="no-such"\r\n\r\nHello.\r\n'
    with smtplib.SMTP("127.0.0.1", paper.smtp_port, timeout=5) as smtp:
        smtp.sendmail("a@example.org", ["b@example.org"], odd)

    [row] = paper.http.get("/mailbox.json").json()

    assert row["text"].strip() == "Hello."
