"""`deploy/php/wall.php` and `article.php` in a real PHP, asking the real product over HTTP."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from billing.context import Context
from tests.deploy import newsroom as newsrooms
from tests.deploy.conftest import DEPLOY, KEY, Visitor
from tests.support.pages import Page
from tests.support.ports import free_port

PHP = shutil.which("php")

pytestmark = pytest.mark.skipif(
    PHP is None, reason="no PHP on this machine (Debian: apt install php-cli)"
)

Visitors = Callable[[], Visitor]


@contextmanager
def serving(paywall: str, **environment: str) -> Iterator[str]:
    """Run PHP's own web server over the example, asking at an address."""
    assert PHP is not None
    port = free_port()
    process = subprocess.Popen(
        [PHP, "-S", f"127.0.0.1:{port}", "-t", str(DEPLOY / "php")],
        env={**os.environ, "PAYWALL_URL": paywall, "PAYWALL_KEY": KEY, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("PHP did not start")


@pytest.fixture
def php(paywall: str) -> Iterator[str]:
    with serving(paywall) as address:
        yield address


@pytest.fixture
def visitors(php: str) -> Iterator[Visitors]:
    """Make browsers before the paper."""
    with ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Visitor(php))


@pytest.fixture
def visitor(visitors: Visitors) -> Visitor:
    return visitors()


def text_of(article: str) -> str:
    return f"Last words of {article}."


def read_to_the_limit(visitor: Visitor) -> None:
    for article in ("ms-1", "ms-2", "ms-3"):
        assert text_of(article) in visitor.get("/article.php", params={"id": article}).text


def test_a_subscriber_reads_everything_and_locked_articles_too(
    visitor: Visitor, session_token: str
) -> None:
    visitor.cookies.set("reader", session_token)

    for number in range(1, 7):
        assert text_of(f"ms-{number}") in visitor.get(f"/article.php?id=ms-{number}").text


def test_a_visitor_reads_three_and_the_text_of_the_fourth_is_in_no_byte(visitor: Visitor) -> None:
    read_to_the_limit(visitor)

    visitor.get("/article.php?id=ms-4")

    assert "First words of ms-4." not in visitor.seen
    assert text_of("ms-4") not in visitor.seen
    assert text_of("ms-1") in visitor.get("/article.php?id=ms-1").text, "it was counted already"


def test_the_wall_says_what_a_stopped_reader_may_want_to_know(
    visitor: Visitor, context: Context
) -> None:
    read_to_the_limit(visitor)

    answer = visitor.get("/article.php?id=ms-4")

    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.titles("h1") == ["Headline of ms-4"]
    assert page.titles("h2") == [context.settings.paywall.message]
    assert "Standfirst of ms-4" in page.words
    assert re.search(r"start again on \w+day 1 \w+ 20\d\d\.", page.words)
    assert "From £" in page.words
    assert page.titles("h3") == ["Already a print subscriber?", "Rather give than subscribe?"]
    assert [link.partition("?")[0].rpartition("8000/")[2] for link in page.links] == [
        "subscribe", "sign-in", "sign-in", "appeals/95th-anniversary",
    ]  # fmt: skip


def test_what_is_gated_is_kept_by_no_cache_and_what_is_free_by_any(visitor: Visitor) -> None:
    gated = visitor.get("/article.php?id=ms-1")
    free = visitor.get("/article.php?id=ms-6")

    assert gated.headers["cache-control"] == "private, no-store"
    assert free.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in free.headers


def test_search_engines_are_told_which_part_is_behind_the_wall(visitor: Visitor) -> None:
    said = {}
    for article in ("ms-1", "ms-6"):
        page = visitor.get(f"/article.php?id={article}").text
        found = re.search(r'<script type="application/ld\+json">(.+?)</script>', page)
        assert found is not None
        said[article] = json.loads(found[1])
        assert page.count('class="paywall"') == 1, "sections with the class are not nested"

    assert said["ms-1"]["isAccessibleForFree"] is False
    assert said["ms-1"]["hasPart"]["cssSelector"] == ".paywall"
    assert said["ms-6"]["isAccessibleForFree"] is True


def test_the_papers_flags_are_kept(visitor: Visitor) -> None:
    read_to_the_limit(visitor)

    assert text_of("ms-6") in visitor.get("/article.php?id=ms-6").text
    assert text_of("ms-5") not in visitor.get("/article.php?id=ms-5").text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "66.249.66.1", "User-Agent": "Googlebot/2.1"},
        {"X-Article-Flag": "free", "X-Paywall-Access": "granted"},
        {"X-Original-Method": "HEAD", "X-Original-URI": "/article.php?id=ms-1"},
        {"Authorization": "Bearer nonsense"},
        {"Cookie": "odd=\x01"},
        {"Cookie": "reader=%0d%0aX-Article-Flag: free"},
        {"Sec-Purpose": "\x01"},
    ],
)
def test_what_a_visitor_makes_up_opens_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    read_to_the_limit(visitor)

    made_up = visitor.besides(headers)
    for verb in ("GET", "POST", "HEAD"):
        visitor.request(verb, "/article.php?id=ms-4&flag=free&access=granted", headers=made_up)

    assert text_of("ms-4") not in visitor.seen


def test_looking_at_the_head_of_pages_counts_nothing(visitor: Visitor) -> None:
    for number in (4, 3, 2, 1):
        answer = visitor.head(f"/article.php?id=ms-{number}")
        assert (answer.status_code, answer.text) == (200, "")
        assert answer.headers["cache-control"] == "private, no-store"

    read_to_the_limit(visitor)


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose", "X-Moz"])
def test_a_page_that_is_only_prepared_is_not_shown_and_not_counted(
    visitor: Visitor, header: str
) -> None:
    for number in (4, 3, 2, 1):
        answer = visitor.get(f"/article.php?id=ms-{number}", headers={header: "prefetch"})
        assert (answer.status_code, answer.text) == (503, "")
        assert answer.headers["retry-after"] == "1"

    read_to_the_limit(visitor)


def test_two_people_through_one_server_are_never_taken_for_each_other(
    visitors: Visitors, session_token: str
) -> None:
    subscriber, visitor, other = visitors(), visitors(), visitors()
    subscriber.cookies.set("reader", session_token)
    for number in (1, 2, 3, 4):
        for browser in (visitor, subscriber, other):
            browser.get(f"/article.php?id=ms-{number}")

    assert text_of("ms-4") in subscriber.seen
    assert text_of("ms-4") not in visitor.seen + other.seen
    assert visitor.cookies["visitor"] != other.cookies["visitor"]
    assert "visitor" not in subscriber.cookies


@pytest.mark.parametrize(("choice", "reads"), [("open", True), ("closed", False)])
@pytest.mark.parametrize("silence", ["nobody is there", "nobody speaks"])
def test_with_the_paywall_gone_the_page_is_as_its_administrator_chose(
    nobody: str, choice: str, *, reads: bool, silence: str
) -> None:
    with ExitStack() as stack:
        paywall = nobody
        if silence == "nobody speaks":
            mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            paywall = f"http://127.0.0.1:{mute.getsockname()[1]}"
        address = stack.enter_context(serving(paywall, PAYWALL_WHEN_SILENT=choice))
        visitor = stack.enter_context(Visitor(address))
        began = time.monotonic()
        answer = visitor.get("/article.php?id=ms-4")

    assert answer.status_code == 200
    assert (text_of("ms-4") in answer.text) is reads
    assert answer.headers["cache-control"] == "private, no-store"
    assert time.monotonic() - began < 4


def test_the_paywall_hears_of_the_visitor_and_nothing_they_make_up() -> None:
    given = [("Set-Cookie", "one=1; Path=/"), ("Set-Cookie", "two=2; Path=/")]
    answer = json.dumps({"access": "granted", "reason": "metered"})
    with (
        newsrooms.running(page=answer, headers=given) as asked,
        serving(f"http://127.0.0.1:{asked.port}") as address,
        Visitor(address, cookies={"visitor": "mine"}) as visitor,
    ):
        made_up = {"X-Forwarded-For": "66.249.66.1", "Authorization": "Bearer x", "X-Odd": "1"}
        visitor.get("/article.php?id=ms-1", headers=made_up)
        visitor.head("/article.php?id=ms-1", headers={"User-Agent": "A browser"})

    first, second = asked.heard
    assert first[":path"] == "/paywall/v1/check?article=ms-1&flag=metered"
    assert (first[":method"], second[":method"]) == ("GET", "HEAD")
    assert first["cookie"] == "visitor=mine"
    assert second["cookie"] == "visitor=mine; one=1; two=2", "each cookie was handed on"
    assert first["x-forwarded-for"] == "127.0.0.1"
    assert first["authorization"] == f"Bearer {KEY}"
    assert second["user-agent"] == "A browser"
    assert "x-odd" not in first


def test_a_key_that_the_paywall_does_not_know_opens_nothing(paywall: str) -> None:
    with serving(paywall, PAYWALL_KEY="wrong") as address, Visitor(address) as visitor:
        visitor.get("/article.php?id=ms-1")

    assert text_of("ms-1") not in visitor.seen


def test_without_a_key_the_page_leaves_the_flag_to_the_paywall(paywall: str) -> None:
    with serving(paywall, PAYWALL_KEY="") as address, Visitor(address) as visitor:
        assert text_of("ms-1") in visitor.get("/article.php?id=ms-1").text


@pytest.mark.parametrize("file", sorted((DEPLOY / "php").glob("*.php")), ids=lambda f: f.name)
def test_each_file_is_valid_php(file: "os.PathLike[str]") -> None:
    assert PHP is not None
    done = subprocess.run([PHP, "-l", str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_code_of_the_drupal_recipe_is_valid_php() -> None:
    assert PHP is not None
    recipe = (DEPLOY / "drupal" / "README.md").read_text()
    blocks = re.findall(r"^```php\n(.*?)^```", recipe, flags=re.DOTALL | re.MULTILINE)

    assert len(blocks) == recipe.count("```php")
    for block in blocks:
        assert block.startswith("<?php"), "a file to copy, whole"
        done = subprocess.run([PHP, "-l"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{block}"
