"""Every kind of page, held against WCAG 2.2 AA by axe, at a desk by day and on a phone at night.

On the phone its letters are set to twice their size as well.
"""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.journeys.conftest import Running
from tests.journeys.test_journeys import pay, read_to_the_limit

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("journeys")]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PUBLIC = [
    "/support", "/subscribe", "/subscribe/digital-month-standard", "/appeals/95th-anniversary",
    "/appeals/fighting-fund", "/sign-in", "/sign-in/no-such-link", "/terms", "/privacy", "/contact",
    "/about", "/account", "/give?article=ms-1001", "/gift/no-such-link", "/no-such-page",
]  # fmt: skip
OFFICE = [
    "/office",
    "/office/receipts",
    "/office/payouts",
    "/office/tasks",
    "/office/stripe",
    "/office/mail",
    "/office/wall",
    "/office/readers",
]


def faults(page: Page) -> list[str]:
    found: list[dict[str, Any]] = (
        Axe()
        .run(page, options={"runOnly": {"type": "tag", "values": RULES}})
        .response["violations"]
    )
    return [f"{page.url} {each['id']}: {each['nodes'][0]['html'][:160]}" for each in found]


def too_wide(page: Page) -> list[str]:
    """Return the page's address if it scrolls sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [f"{page.url} scrolls sideways"] if wide else []


def too_wide_in_large_letters(page: Page) -> list[str]:
    """Return the page's address if it scrolls sideways once its letters are twice as large."""
    page.evaluate("document.documentElement.style.fontSize = '225%'")
    return too_wide(page)


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_pages_anybody_sees_have_no_fault(page: Page, running: Running, width: str) -> None:
    if width == "phone":
        page.set_viewport_size({"width": 360, "height": 740})
        page.emulate_media(color_scheme="dark")
    found = []

    def look() -> None:
        found.extend(faults(page) + too_wide(page))
        if width == "phone":
            found.extend(too_wide_in_large_letters(page))

    for path in PUBLIC:
        page.goto(running.stack.web + path)
        look()
    page.goto(running.stack.paper)
    look()
    read_to_the_limit(page, running)
    look()
    assert found == []


def test_pages_after_paying_have_no_fault(page: Page, running: Running) -> None:
    running.deliveries("normal")
    page.goto(f"{running.stack.web}/subscribe/digital-year-solidarity")
    page.get_by_role("button", name=re.compile("£")).click()
    found = faults(page)  # the local Stripe's own page
    pay(page, "axe@example.org")
    found += faults(page)
    page.goto(f"{running.stack.web}/account")
    found += faults(page)
    page.set_viewport_size({"width": 360, "height": 740})
    found += too_wide(page) + too_wide_in_large_letters(page)
    page.reload()
    page.get_by_role("button", name=re.compile("Cancel|End", re.IGNORECASE)).first.click()
    found += faults(page)
    page.goto(f"{running.stack.paper}/mailbox")
    found += faults(page)
    assert found == []


def test_the_office_has_no_fault(page: Page, running: Running) -> None:
    page.goto(running.office_link())
    found = faults(page)
    page.locator("main form button").click()
    for path in OFFICE:
        page.goto(running.stack.web + path)
        found += faults(page)
    page.set_viewport_size({"width": 360, "height": 740})
    for path in OFFICE:
        page.goto(running.stack.web + path)
        found += faults(page) + too_wide(page) + too_wide_in_large_letters(page)
    assert found == []
