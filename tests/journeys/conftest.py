"""A whole demonstration running on free ports, and a real browser before it."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from demo.stack import OFFICER, Ports, Stack, StackError

Found = TypeVar("Found")

PATIENCE = 40.0  # seconds the worker may take on a busy machine


@dataclass(frozen=True)
class Running:
    """The demonstration, and what a test asks of it beside what a reader sees."""

    stack: Stack

    def deliveries(self, mode: str) -> None:
        """Choose how Stripe's events reach us from now on."""
        httpx2.post(
            f"{self.stack.stripe}/_sandbox/deliveries", json={"mode": mode}, timeout=30
        ).raise_for_status()

    def quiet(self) -> None:
        """Return when Stripe has nothing left to deliver."""
        httpx2.post(
            f"{self.stack.stripe}/_sandbox/deliveries/wait", json={"timeout": 30}, timeout=60
        ).raise_for_status()

    def mails(self, address: str, *, at_least: int = 1) -> list[dict[str, Any]]:
        """Return what is in somebody's mailbox, once so many mails have come."""

        def look() -> list[dict[str, Any]]:
            answer = httpx2.get(f"{self.stack.paper}/mailbox.json", params={"to": address})
            found: list[dict[str, Any]] = answer.json()
            return found if len(found) >= at_least else []

        return wait_for(look, f"{at_least} mails for {address}")

    def office_link(self) -> str:
        """Return a link that signs the finance officer in once."""
        return self.stack.billing("staff", "link", OFFICER).split()[-1]


def wait_for(look: Callable[[], Found], what: str) -> Found:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE:.0f} seconds in vain for {what}")


def fill_in(page: Page, address: str) -> None:
    """Fill in Stripe's page with the card that works."""
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("Security code").fill("123")
    page.get_by_label("Name on the card").fill("A Reader")
    page.get_by_label("Postcode").fill("CR0 1BD")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_somewhere(tmp_path_factory.mktemp("stack")) as somewhere:
        yield somewhere


@contextmanager
def run_somewhere(data: Path, **how: Any) -> Iterator[Running]:
    """Run everything on ports that are free, and on others where somebody took one meanwhile."""
    stack = _started(data, how, tries=3)
    try:
        yield Running(stack)
    finally:
        stack.stop()


def _started(data: Path, how: dict[str, Any], *, tries: int) -> Stack:
    stack = Stack(data, Ports.free(), **how)
    try:
        stack.start()
    except StackError as taken:
        stack.stop()
        if tries == 1 or "in use" not in str(taken):
            raise
        return _started(data, how, tries=tries - 1)
    except BaseException:
        stack.stop()
        raise
    return stack


@pytest.fixture(scope="module")  # its event loop must not be running when others want theirs
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A new window of a browser nobody has used."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(20_000)
    window = context.new_page()
    yield window
    context.close()
