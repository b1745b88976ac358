"""`deploy/nginx.conf` in a real nginx, between real visitors, the real product and a newsroom."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.deploy import newsroom as newsrooms
from tests.deploy.conftest import DEPLOY, KEY, Visitor
from tests.deploy.newsroom import EDGE_SECRET, Newsroom, text_of
from tests.support.ports import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None, reason="no nginx on this machine (Debian: apt install nginx-light)"
)

Visitors = Callable[..., Visitor]


@pytest.fixture
def newsroom() -> Iterator[Newsroom]:
    with newsrooms.running() as one:
        yield one


@pytest.fixture
def nginx(paywall: str, newsroom: Newsroom, tmp_path: Path) -> Iterator[str]:
    """The paper behind nginx, as the file is delivered."""
    with _nginx(paywall, newsroom, tmp_path) as address:
        yield address


@pytest.fixture
def visitors(nginx: str) -> Iterator[Visitors]:
    """Make browsers before the paper."""
    with ExitStack() as open_ones:
        yield lambda **how: open_ones.enter_context(Visitor(nginx, **how))


@pytest.fixture
def visitor(visitors: Visitors) -> Visitor:
    return visitors()


@contextmanager
def _nginx(paywall: str, newsroom: Newsroom, place: Path, **changed: str) -> Iterator[str]:
    """Run nginx with the addresses and secrets of a test, and with lines of the file changed."""
    assert NGINX is not None
    port = free_port()
    words = {
        "127.0.0.1:8000": paywall.removeprefix("http://"),
        "127.0.0.1:8080": f"127.0.0.1:{newsroom.port}",
        "listen 80;": f"listen 127.0.0.1:{port};",
        "CHANGE-ME-one-of-BILLING_PAYWALL__KEYS": KEY,
        "CHANGE-ME-a-secret-between-nginx-and-the-cms": EDGE_SECRET,
        **changed,
    }
    conf = (DEPLOY / "nginx.conf").read_text()
    for old, new in words.items():
        assert old in conf, f"{old} is no longer a line of the file"
        conf = conf.replace(old, new)
    main = place / "nginx.conf"
    places = "".join(
        f"{kind}_temp_path {place / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main.write_text(
        f"daemon off; master_process off; pid {place / 'pid'}; error_log {place / 'error.log'};"
        f"events {{}} http {{ access_log off; {places}\n{conf}\n}}"
    )
    process = subprocess.Popen([NGINX, "-e", str(place / "error.log"), "-c", str(main)])
    try:
        _until_open(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("nginx did not start")


def read_to_the_limit(visitor: Visitor) -> None:
    for number in (1, 2, 3):
        assert text_of(f"a{number}") in visitor.get(f"/article/a{number}").text


def test_a_subscriber_reads_everything_and_locked_articles_too(
    visitor: Visitor, session_token: str
) -> None:
    visitor.cookies.set("reader", session_token)

    for article in ("a1", "a2", "a3", "a4", "a5", "locked-1"):
        assert text_of(article) in visitor.get(f"/article/{article}").text


def test_a_visitor_reads_three_and_the_text_of_the_fourth_is_in_no_byte(visitor: Visitor) -> None:
    read_to_the_limit(visitor)

    answer = visitor.get("/article/a4")

    assert answer.status_code == 200, "the wall is a page of the paper"
    assert answer.text == "Headline of a4. WALL limit_reached"
    assert text_of("a4") not in visitor.seen
    assert text_of("a3") in visitor.get("/article/a3").text, "what was counted opens again"


def test_every_address_of_an_article_is_behind_the_same_wall(visitor: Visitor) -> None:
    read_to_the_limit(visitor)

    for view in ("amp", "print", "api/article"):
        assert text_of("a1") in visitor.get(f"/{view}/a1").text, "counted once, under its id"
        visitor.get(f"/{view}/a4")
    for guess in ("/ARTICLE/a4", "/article/a4/", "/rss/a4", "/article//a4", "//article/a4",
                  "/article/./a4", "/article/a1/../a4", "/article/a1%2f..%2fa4", "/article/%614",
                  "/article/a4;x", "/article/a4%00", "/article/a4%0a", "/@wall", "/_paywall",
                  "/article/a1?article=a4"):  # fmt: skip
        visitor.get(guess)

    assert text_of("a4") not in visitor.seen


def test_the_paywalls_cookie_reaches_the_browser_and_only_that_one_answers_to_it(
    visitor: Visitor, visitors: Visitors
) -> None:
    first = visitor.get("/article/a1")

    assert [c.split("=")[0] for c in first.headers.get_list("set-cookie")] == ["visitor"]
    assert first.headers.get_list("cache-control") == ["private, no-store"]
    read_to_the_limit(visitor)
    read_to_the_limit(visitors())
    assert "WALL limit_reached" in visitor.get("/article/a4").text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Paywall-Access": "granted", "X-Paywall-Reason": "subscriber"},
        {"X-Paywall-Variant": "full", "X-Edge-Secret": "a guess"},
        {"X-Article-Flag": "free"},
        {"X-Original-URI": "/article/a1"},
        {"X-Original-URI": "/article/free-1", "X-Article-Flag": "free"},
        {"X-Original-Method": "HEAD"},
        {"X-Forwarded-For": "66.249.66.1", "User-Agent": "Googlebot/2.1"},
        {"X-Article-Id": "a1"},
        {"Authorization": "Bearer nonsense"},
        {"X-Rewrite-URL": "/article/a1", "X-HTTP-Method-Override": "HEAD"},
        {"Odd": "\x01"},
        {"Cookie": "odd=\x01"},
        {"Cookie": "reader=\x7f; " + "; ".join(["x=y"] * 1000)},
        {"Transfer-Encoding": "chunked", "Content-Type": "text/plain"},
    ],
)
def test_what_a_visitor_makes_up_opens_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    read_to_the_limit(visitor)

    made_up = visitor.besides(headers)
    for verb in ("GET", "POST", "HEAD", "PUT"):
        visitor.request(verb, "/article/a4", headers=made_up)

    assert text_of("a4") not in visitor.seen


def test_an_odd_header_keeps_nobody_from_reading(visitor: Visitor) -> None:
    odd = {"Odd": "\x01", "Content-Length": "0", "X-Article-Flag": "locked"}

    assert text_of("a1") in visitor.get("/article/a1", headers=odd).text


def test_the_newsroom_hears_nothing_of_what_a_visitor_makes_up(
    visitor: Visitor, newsroom: Newsroom
) -> None:
    made_up = {
        "X-Paywall-Access": "granted", "X-Paywall-Reason": "staff", "X-Paywall-Used": "0",
        "X-Paywall-Limit": "99", "X-Paywall-Remaining": "99", "X-Paywall-Resets-At": "never",
        "X-Paywall-Variant": "full", "X-Article-Flag": "free", "X-Article-Id": "other",
        "X-Forwarded-For": "203.0.113.9", "X-Edge-Secret": "a guess",
    }  # fmt: skip

    visitor.get("/", headers=made_up)
    visitor.get("/article/a1", headers=made_up)

    front, article = newsroom.heard
    said = {name: front.get(name.lower()) for name in made_up}
    assert said == dict.fromkeys(made_up) | {
        "X-Paywall-Access": "denied", "X-Edge-Secret": EDGE_SECRET, "X-Forwarded-For": "127.0.0.1",
    }  # fmt: skip
    assert article["x-paywall-access"] == "granted"
    assert article["x-paywall-reason"] == "metered"
    assert (article["x-paywall-used"], article["x-paywall-limit"]) == ("1", "3")
    assert (article["x-paywall-remaining"], article["x-paywall-variant"]) == ("2", "full")
    assert article["x-article-id"] == "a1"


def test_past_nginx_the_newsroom_prints_no_text(newsroom: Newsroom) -> None:
    with Visitor(f"http://127.0.0.1:{newsroom.port}") as visitor:
        visitor.get("/article/a1", headers={"X-Paywall-Access": "granted"})

        assert text_of("a1") not in visitor.seen


def test_the_papers_flags_are_kept(visitor: Visitor) -> None:
    read_to_the_limit(visitor)

    assert text_of("free-1") in visitor.get("/article/free-1").text
    assert "WALL locked" in visitor.get("/article/locked-1").text


def test_looking_at_the_head_of_pages_counts_nothing(visitor: Visitor) -> None:
    for number in range(10, 20):
        assert visitor.head(f"/article/a{number}").status_code == 200

    read_to_the_limit(visitor)


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose", "X-Moz"])
def test_a_page_that_is_only_prepared_is_not_shown_and_not_counted(
    visitor: Visitor, header: str
) -> None:
    for number in range(10, 20):
        answer = visitor.get(f"/article/a{number}", headers={header: "prefetch"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert text_of(f"a{number}") not in visitor.seen

    read_to_the_limit(visitor)
    assert text_of("a1") in visitor.get("/article/a1", headers={header: "prefetch"}).text


@pytest.mark.parametrize(
    ("choice", "shown"), [("granted", text_of("a1")), ("denied", "WALL unanswered")]
)
@pytest.mark.parametrize("silence", ["nobody is there", "nobody speaks", "it fails"])
def test_with_the_paywall_gone_the_paper_is_as_its_administrator_chose(
    newsroom: Newsroom, nobody: str, tmp_path: Path, choice: str, shown: str, silence: str
) -> None:
    line = '"~^:50[234]$"           {};               # CHANGE'
    changed = {line.format("granted"): line.format(choice)}
    with ExitStack() as stack:
        paywall = nobody
        if silence == "nobody speaks":
            mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            paywall = f"http://127.0.0.1:{mute.getsockname()[1]}"
        elif silence == "it fails":
            paywall = f"http://127.0.0.1:{stack.enter_context(_failing()).port}"
        address = stack.enter_context(_nginx(paywall, newsroom, tmp_path, **changed))
        visitor = stack.enter_context(Visitor(address))
        began = time.monotonic()
        answer = visitor.get("/article/a1")

    assert answer.status_code == 200
    assert answer.text == f"Headline of a1. {shown}"
    assert answer.headers.get_list("cache-control") == ["private, no-store"]
    assert time.monotonic() - began < 6


@contextmanager
def _failing() -> Iterator[Newsroom]:
    with newsrooms.running(status=502) as one:
        yield one


def test_two_people_through_one_cache_never_get_each_others_page(
    paywall: str, newsroom: Newsroom, tmp_path: Path, session_token: str
) -> None:
    with (
        _nginx(paywall, newsroom, tmp_path, **_caching(tmp_path)) as address,
        Visitor(address) as subscriber, Visitor(address) as visitor, Visitor(address) as other,
    ):  # fmt: skip
        subscriber.cookies.set("reader", session_token)
        read_to_the_limit(visitor)
        for _ in range(2):
            subscriber.get("/article/a4")
            visitor.get("/article/a4")
        asked = [heard for heard in newsroom.heard if heard[":path"] == "/article/a4"]
        read_to_the_limit(other)

    assert text_of("a4") in subscriber.seen
    assert text_of("a4") not in visitor.seen
    assert sorted(heard["x-paywall-variant"] for heard in asked) == ["full", "wall"]
    assert "pass" in subscriber.cookies, "the cookie goes past the cache, to whom it is for"
    assert "pass" not in visitor.cookies
    assert visitor.cookies["visitor"] != other.cookies["visitor"]


def _caching(place: Path) -> dict[str, str]:
    """Switch on the cache that the file describes, by taking its comment signs away."""
    conf = (DEPLOY / "nginx.conf").read_text()
    lines = set(re.findall(r"# proxy_cache\w* .*;", conf))
    assert len(lines) == 4
    on = {line: line.removeprefix("# ") for line in lines}
    return {line: new.replace("/var/cache/nginx", str(place)) for line, new in on.items()}


def test_the_product_is_reached_through_the_same_host_name(visitor: Visitor) -> None:
    assert visitor.get("/subscribe").status_code == 200
    assert visitor.get("/.well-known/jwks.json").json()["keys"]
    assert visitor.get("/paywall/v1/check?article=a1").json()["reason"] == "metered"
    assert visitor.get("/paywall/v1/auth?article=a1").status_code == 404
