"""The main job in a real browser, by a network that works, loses everything, or repeats itself."""

import csv
import html
import re
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from demo import articles
from tests.journeys.conftest import Running, fill_in, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("journeys")]

NETWORKS = {
    "a network that works": "normal",
    "every webhook lost": "drop",
    "every webhook twice, in any order": "duplicate_shuffle",
}


@pytest.fixture(params=list(NETWORKS.values()), ids=list(NETWORKS))
def network(request: pytest.FixtureRequest, running: Running) -> str:
    running.deliveries(request.param)
    return str(request.param)


def test_a_reader_meets_the_wall_subscribes_and_reads_on(
    page: Page, running: Running, network: str
) -> None:
    address = f"reader-{uuid4().hex[:8]}@example.org"
    walled = read_to_the_limit(page, running)

    page.get_by_role("link", name="See plans and prices").click()
    page.get_by_role("link", name=re.compile("Choose standard, £5.49")).click()
    expect(page.locator(".key-facts")).to_contain_text("14")
    page.get_by_role("button", name=re.compile(r"£5\.49")).click()
    pay(page, address)

    expect(page.get_by_role("heading", level=1)).to_contain_text("You can read everything")
    page.goto(walled)
    expect(page.locator(".wall")).to_have_count(0)
    running.quiet()
    [mail] = running.mails(address)
    assert mail["subject"] == "Your Morning Star subscription has started"
    assert paid_by(running, page, address) == [Decimal("5.49")]
    assert len(running.mails(address)) == 1


def test_a_gift_moves_the_thermometer_is_thanked_for_and_is_in_the_export(
    page: Page, running: Running, network: str
) -> None:
    address = f"giver-{uuid4().hex[:8]}@example.org"
    page.goto(f"{running.stack.web}/appeals/95th-anniversary")
    before = raised(page)

    page.locator(".tile", has_text="£25").click()
    page.get_by_role("button", name="Give this amount").click()
    pay(page, address)

    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you for your £25")
    page.goto(f"{running.stack.web}/appeals/95th-anniversary")
    assert raised(page) == before + 25
    running.quiet()
    [mail] = running.mails(address)
    assert mail["subject"] == "Thank you for your gift to the 95th Anniversary Appeal"
    assert paid_by(running, page, address) == [Decimal("25.00")]
    assert len(running.mails(address)) == 1
    page.goto(f"{running.stack.web}/appeals/95th-anniversary")
    assert raised(page) == before + 25


def test_the_wall_holds_back_the_text_and_not_only_the_view(page: Page, running: Running) -> None:
    walled = read_to_the_limit(page, running)
    article = articles.load().by_slug[walled.rpartition("/")[2]]

    expect(page.get_by_role("heading", level=1)).to_have_text(article.headline)
    assert article.paragraphs[-1] not in html.unescape(page.content())


def read_to_the_limit(page: Page, running: Running) -> str:
    """Read articles off the front page until the wall, and return the address behind it."""
    page.goto(running.stack.paper)
    links = page.locator('a[href^="/article/"]').evaluate_all("all => all.map(a => a.href)")
    for address in dict.fromkeys(links):
        page.goto(address)
        if page.locator(".wall").count():
            expect(page.locator(".wall")).to_contain_text("You have reached the free limit.")
            return str(address)
    raise AssertionError("no wall after every article of the front page")


def pay(page: Page, address: str) -> None:
    """Fill in Stripe's page, and come back."""
    fill_in(page, address)
    page.locator("form button").click()
    page.wait_for_url(re.compile("/thanks"))


def raised(page: Page) -> int:
    """Read the thermometer."""
    words = page.locator("main").inner_text()
    found = re.search(r"£([\d,]+) raised", words)
    assert found, words[:400]
    return int(found.group(1).replace(",", ""))


def paid_by(running: Running, page: Page, address: str) -> list[Decimal]:
    """Return what the payments export says somebody paid, after its totals have agreed."""
    receipt = re.search(r"\b([A-Z]-\d{6})\b", running.mails(address)[0]["text"])
    assert receipt, "the mail names no receipt"
    page.goto(running.office_link())
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/office"))

    def look() -> list[Decimal]:
        rows = export(page, running)
        assert rows[-1][1] == "agrees with the ledger", rows[-1]
        return [Decimal(row[7]) for row in rows if len(row) > 7 and row[2] == receipt.group(1)]

    return wait_for(look, f"{receipt.group(1)} in the payments export")


def export(page: Page, running: Running) -> list[list[str]]:
    """Download this month's payments as the browser would."""
    page.goto(f"{running.stack.web}/office/receipts")
    with page.expect_download() as started:
        page.get_by_role("link", name=re.compile("payments", re.IGNORECASE)).first.click()
    text = Path(started.value.path()).read_text("utf-8-sig")
    return [row for row in csv.reader(text.splitlines()) if row]
