"""What is true of every page."""

import dataclasses
import re

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from billing.context import Context
from billing.web.app import create_app
from billing.web.render import STATIC
from tests.support.pages import Page

PAGES = (
    "/support",
    "/subscribe",
    "/subscribe/digital-month-standard",
    "/subscribe/digital-year-concession",
    "/appeals/95th-anniversary",
    "/appeals/fighting-fund",
    "/terms",
    "/privacy",
    "/contact",
    "/about",
    "/sign-in",
)
DRAFTS = ("/terms", "/privacy", "/contact", "/about")


@pytest.fixture
def answers(client: TestClient) -> dict[str, Response]:
    return {path: client.get(path) for path in PAGES}


def test_every_page_answers_with_one_main_heading_and_a_title_of_its_own(
    answers: dict[str, Response],
) -> None:
    pages = {path: Page(answer.text) for path, answer in answers.items()}

    assert {path: a.status_code for path, a in answers.items()} == dict.fromkeys(PAGES, 200)
    assert {path: len(page.titles("h1")) for path, page in pages.items()} == dict.fromkeys(PAGES, 1)
    titles = [re.findall("<title>(.*?)</title>", answer.text)[0] for answer in answers.values()]
    assert len(set(titles)) == len(PAGES) - 1  # two prices of one plan share theirs


def test_no_page_needs_a_script_or_carries_a_style_of_its_own(
    answers: dict[str, Response],
) -> None:
    for path, answer in answers.items():
        page = Page(answer.text)
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "style", "iframe"}, path
        assert page.having("style") == [], path
        assert not [a for _, given in page.tags for a in given if a.startswith("on")], path


def test_nothing_is_ticked_for_anybody(answers: dict[str, Response]) -> None:
    ticked = {path: Page(answer.text).having("checked") for path, answer in answers.items()}

    assert ticked == {path: [] for path in PAGES}


def test_nobody_is_told_of_tax_relief_or_charity_except_that_there_is_none(
    answers: dict[str, Response],
) -> None:
    for path, answer in answers.items():
        words = Page(answer.text).words
        denied = re.sub(r"is not a charity; gifts do not qualify for Gift Aid", "", words)
        assert not re.search("gift aid|charit|tax.deductible", denied, re.IGNORECASE), path


def test_every_page_names_the_society_and_prints_no_placeholder(
    answers: dict[str, Response], context: Context
) -> None:
    society = context.settings.society
    for path, answer in answers.items():
        words = Page(answer.text).words
        assert society.name in words, path
        assert f"registered society no. {society.number}" in words, path
        assert society.office in words, path
        assert "placeholder" not in words.replace("targets are placeholders", ""), path


def test_a_draft_says_that_it_is_one(answers: dict[str, Response]) -> None:
    for path in DRAFTS:
        assert "Draft for the society" in Page(answers[path].text).words, path


def test_no_page_is_kept_by_a_cache_while_our_own_files_are(
    answers: dict[str, Response], client: TestClient
) -> None:
    assert {a.headers["cache-control"] for a in answers.values()} == {"private, no-store"}
    sheet = re.findall(r'href="(/static/site\.css[^"]*)"', answers["/support"].text)[0]

    answer = client.get(sheet)

    assert answer.text == (STATIC / "site.css").read_text()
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_front_door_leads_to_the_support_page(client: TestClient) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/support")


def test_the_support_page_offers_every_way_to_support_the_paper(
    answers: dict[str, Response], context: Context
) -> None:
    page = Page(answers["/support"].text)

    assert page.titles("h2") == [
        "Subscribe",
        "The 95th Anniversary Appeal",
        "The Fighting Fund this month",
        "Other ways to give",
        "The Morning Star Shop",
    ]
    ways = {"/subscribe", "/appeals/95th-anniversary", "/appeals/fighting-fund"}
    assert ways | {context.catalogue.shop.url} <= set(page.links)


def test_nobody_is_told_to_ring_a_number_we_do_not_give(context: Context) -> None:
    reachable = context.settings.society.model_copy(update={"phone": "020 7946 0000"})
    settings = context.settings.model_copy(update={"society": reachable})

    silent, told = (
        Page(TestClient(create_app(each)).get("/support").text)
        for each in (context, dataclasses.replace(context, settings=settings))
    )

    assert "By telephone" not in silent.titles("h3")
    assert "By telephone" in told.titles("h3")
    assert "Ring 020 7946 0000." in told.words


def test_every_price_on_sale_stands_on_the_plans_page(
    answers: dict[str, Response], context: Context
) -> None:
    page = Page(answers["/subscribe"].text)

    offered = {link for link in page.links if link.startswith("/subscribe/")}

    assert offered == {
        f"/subscribe/{price.lookup_key}"
        for plan in context.catalogue.plans
        for price in plan.prices
    }
    assert "nobody asks for proof" in page.words


def test_the_article_that_led_here_is_carried_along_and_never_read_as_markup(
    client: TestClient,
) -> None:
    source = '"><script>alert(1)</script>'

    plans = client.get("/subscribe", params={"source": source})
    facts = client.get("/subscribe/digital-month-standard", params={"source": source})
    appeal = client.get("/appeals/fighting-fund", params={"source": source})

    assert "<script" not in plans.text + facts.text + appeal.text
    assert Page(facts.text).form("/checkout/subscription").fields["source"] == source
    assert Page(appeal.text).form("/checkout/donation").fields["source"] == source
