"""`deploy/js/wall.js` in a real browser: it draws the message, and has nothing to hide."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from billing.settings import Settings
from tests.deploy.conftest import DEPLOY, LIMIT, serving
from tests.journeys import conftest as journeys
from tests.support.ports import free_port

chromium, page = journeys.chromium, journeys.page

pytestmark = pytest.mark.browser

TEXT = "The text behind the wall."
OWN_WORDS = "Subscribe to read on."
DENIED: dict[str, Any] = {
    "access": "denied",
    "reason": "limit_reached",
    "because": "You have read your 3 free articles.",
    "message": "You have reached the free limit. Subscribe to continue reading.",
    "offer": "From £2.99 a month.",
    "meter": {"used": 3, "limit": 3, "remaining": 0, "resets_at": "2026-10-31T23:30:00+00:00"},
    "links": {
        "subscribe": "https://support.example.org/subscribe",
        "sign_in": "https://support.example.org/sign-in",
        "appeal": "https://support.example.org/appeals/one",
        "support": "https://support.example.org/support",
    },
}


@contextmanager
def paper(answer: Any, *, check: str = "", status: int = 200, port: int = 0) -> Iterator[str]:
    """Run a paper whose server has withheld the text, and which answers the script's question."""
    where = f' data-paywall-check="{check}"' if check else ""
    html = (
        '<!doctype html><html lang="en-GB"><title>A story</title><main><h1>A story</h1>'
        '<label>Search <input id="search"></label>'
        f'<div class="paywall" data-paywall-article="a4"{where}><p>{OWN_WORDS}</p></div></main>'
        '<script src="/wall.js" defer></script></html>'
    )

    async def story(_request: Request) -> Response:
        policy = "default-src 'none'; script-src 'self'; connect-src 'self' http://127.0.0.1:*"
        return HTMLResponse(html, headers={"content-security-policy": policy})

    async def script(_request: Request) -> Response:
        words = (DEPLOY / "js" / "wall.js").read_text()
        return PlainTextResponse(words, media_type="text/javascript")

    async def asked(_request: Request) -> Response:
        return JSONResponse(answer, status_code=status)

    routes = [
        Route("/", story),
        Route("/wall.js", script),
        Route("/paywall/v1/check", asked),
    ]
    with serving(Starlette(routes=routes), port=port) as address:
        yield address


def test_it_draws_the_message_the_day_the_price_and_the_ways_on(page: Page) -> None:
    with paper(DENIED) as address:
        page.goto(address)
        wall = page.get_by_role("region", name=DENIED["message"])
        expect(wall).to_be_visible()

        assert re.search(r"start again on Saturday,? 31 October 2026\.", wall.inner_text())
        assert "From £2.99 a month." in wall.inner_text()
        assert [link.inner_text() for link in wall.get_by_role("link").all()] == [
            "Subscribe", "Sign in", "Already a print subscriber?", "Rather give than subscribe?",
        ]  # fmt: skip
        assert not Axe().run(page).response["violations"]


def test_what_an_answer_says_is_text_and_never_markup(page: Page) -> None:
    caught = "document.title='caught'"
    mischief = f'<img src=x onerror="{caught}"><script>{caught}</script>'
    answer = DENIED | {
        "message": mischief,
        "offer": mischief,
        "because": mischief,
        "meter": None,
        "links": {
            "subscribe": f"javascript:{caught}",
            "sign_in": "data:text/html,x",
            "appeal": f'https://example.org/"{mischief}',
        },
    }
    with paper(answer) as address:
        page.goto(address)
        wall = page.get_by_role("region")
        expect(wall).to_be_visible()

        assert wall.inner_text().count(mischief) == 3
        assert wall.locator("img, script").count() == 0
        assert [link.inner_text() for link in wall.get_by_role("link").all()] == [
            "Rather give than subscribe?"
        ]
        assert page.title() == "A story"


def test_the_readers_focus_stays_where_it_is(page: Page) -> None:
    with paper(DENIED) as address:
        page.goto(address, wait_until="commit")
        page.locator("#search").focus()
        page.keyboard.type("mine")
        expect(page.get_by_role("region")).to_be_visible()

        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.type("rs")
        assert page.locator("#search").input_value() == "miners"


@pytest.mark.parametrize("status", [400, 500])
def test_without_an_answer_the_servers_own_words_stay(page: Page, status: int) -> None:
    with paper({"error": {}}, status=status) as address:
        page.goto(address, wait_until="networkidle")

        assert OWN_WORDS in page.inner_text("main")
        assert page.get_by_role("region").count() == 0


def test_whatever_the_script_is_told_the_text_is_not_on_the_page(page: Page) -> None:
    with paper(DENIED | {"access": "granted", "message": None}) as address:
        page.goto(address)
        expect(page.get_by_role("region", name="You can read this article now.")).to_be_visible()

        assert TEXT not in page.content()


@pytest.fixture
def origin() -> int:
    """The port the paper will have: the product must know it before."""
    return free_port()


@pytest.fixture
def settings(settings: Settings, origin: int) -> Settings:
    paywall = settings.paywall.model_copy(update={"origins": (f"http://127.0.0.1:{origin}",)})
    return settings.model_copy(update={"paywall": paywall})


def test_it_draws_what_the_product_says_to_this_very_browser(
    page: Page, paywall: str, origin: int
) -> None:
    check = f"{paywall}/paywall/v1/check"
    for number in range(LIMIT):
        page.goto(f"{check}?article=b{number}")
    with paper(None, check=check, port=origin) as address:
        page.goto(address)
        wall = page.get_by_role("region", name="You have reached the free limit.")
        expect(wall).to_be_visible()

        assert re.search(r"start again on \w+day,? 1 \w+ 20\d\d\.", wall.inner_text())
        link = wall.get_by_role("link", name="Subscribe", exact=True)
        assert link.get_attribute("href") == "http://localhost:8000/subscribe?source=a4"
