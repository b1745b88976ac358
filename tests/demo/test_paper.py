"""The running paper while billing is down: it fails open, says so, and keeps its manners."""

import socket
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from demo.articles import Edition
from tests.demo.conftest import ROOT, Paper, command, free_port, start, stop

NOTE = "This one is on us."


def test_it_prints_a_metered_article_with_a_note_when_billing_is_down(
    paper: Paper, edition: Edition
) -> None:
    article = edition.articles[0]

    response = paper.http.get(f"/article/{article.slug}")

    assert response.status_code == 200
    assert NOTE in response.text
    assert article.paragraphs[-1][:30] in response.text
    assert response.headers["cache-control"] == "private, no-store"


def test_a_free_article_needs_no_check(paper: Paper) -> None:
    response = paper.http.get("/article/how-to-read-this-demonstration")

    assert response.status_code == 200
    assert NOTE not in response.text, "it did not ask, so it cannot have gone unanswered"


def test_a_mangled_cookie_breaks_nothing(paper: Paper, edition: Edition) -> None:
    mangled = {b"cookie": b"visitor=\xff\xfe; ;=;"}

    response = paper.http.get(f"/article/{edition.articles[0].slug}", headers=mangled)

    assert response.status_code == 200


def test_head_answers_like_get_without_the_words(paper: Paper, edition: Edition) -> None:
    response = paper.http.head(f"/article/{edition.articles[0].slug}")

    assert response.status_code == 200
    assert response.headers["cache-control"] == "private, no-store"


def test_every_page_answers_and_forbids_scripts(paper: Paper, edition: Edition) -> None:
    sections = [f"/section/{section.slug}" for section in edition.sections]
    for address in ["/", *sections, "/mailbox", "/static/paper.css", "/healthz"]:
        response = paper.http.get(address)
        assert response.status_code == 200, address
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'"), address
        assert "style=" not in response.text, address
    assert paper.http.get("/article/no-such-thing").status_code == 404
    assert paper.http.get("/section/no-such-thing").status_code == 404


def test_a_foreign_host_name_is_refused(paper: Paper) -> None:
    assert paper.http.get("/mailbox", headers={"host": "evil.example"}).status_code == 400


def test_a_taken_port_is_one_clear_sentence(paper: Paper, tmp_path: Path) -> None:
    words = command(port=paper.port, smtp_port=free_port(), billing_port=free_port(), data=tmp_path)
    outcome = subprocess.run(
        words, cwd=ROOT, text=True, capture_output=True, timeout=10, check=False
    )

    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert outcome.stderr == f"Port {paper.port} is already in use. Choose another with --port.\n"


def test_it_stops_cleanly_and_finds_its_mail_again(tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    folder.mkdir()
    name = "20261123T101500-000001-abcdef"
    (folder / f"{name}.eml").write_bytes(
        b"Delivered-To: a@example.org\r\nSubject: Kept\r\n\r\nStill here.\r\n"
    )
    port = free_port()
    process = start(command(port=port, smtp_port=0, billing_port=free_port(), data=tmp_path))
    rows = httpx2.get(f"http://localhost:{port}/mailbox.json", trust_env=False).json()

    assert stop(process) == 0
    assert [(row["id"], row["subject"]) for row in rows] == [(name, "Kept")]


@pytest.mark.slow
def test_it_waits_two_seconds_for_a_silent_billing_and_no_longer(
    tmp_path: Path, edition: Edition
) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        billing_port = silent.getsockname()[1]
        process = start(command(port=port, smtp_port=0, billing_port=billing_port, data=tmp_path))
        began = time.monotonic()
        page = httpx2.get(
            f"http://localhost:{port}/article/{edition.articles[0].slug}", trust_env=False
        )
        took = time.monotonic() - began
        stop(process)

    assert NOTE in page.text
    assert 1.5 < took < 3.5
