"""The wall, the meter and the note, through the real templates with the check's own answers."""

import json
import re

import httpx2
import pytest

from demo.answers import Answer, Links
from demo.articles import Article, Edition
from demo.check import PaywallCheck
from demo.press import Press
from tests.demo.conftest import BILLING, answer


def printed(press: Press, article: Article, given: Answer | None, *, asked: bool = True) -> str:
    return press.article(
        article, asked=asked, answer=given, limit=3, address=f"http://localhost/{article.slug}"
    )


def test_text_behind_the_wall_is_in_no_refusal(
    press: Press, edition: Edition, denied: Answer
) -> None:
    for article in filter(lambda each: each.metered, edition.articles):
        page = printed(press, article, denied)
        assert article.paragraphs[0][:30] in page
        for hidden in article.paragraphs[1:]:
            assert hidden[:30] not in page


def test_the_wall_offers_everything_a_stopped_reader_may_want(
    press: Press, edition: Edition, denied: Answer
) -> None:
    page = printed(press, edition.articles[0], denied)

    assert "You have reached the free limit. Subscribe to continue reading." in page
    assert "Tuesday 1 December 2026" not in page, "23:30 UTC in November is still the 30th here"
    assert "Monday 30 November 2026" in page
    assert f'href="{BILLING}/subscribe?from=wall"' in page, "the answer's link is preferred"
    assert f'href="{BILLING}/sign-in"' in page
    assert "From £2.99 a month." in page
    assert "Already a print subscriber?" in page
    assert f'href="{BILLING}/contact"' in page
    assert f'href="{BILLING}/appeals/95th-anniversary"' in page


def test_a_link_in_an_answer_that_is_not_a_web_address_is_ignored(denied: Answer) -> None:
    assert denied.links.shop == "https://shop.example"


@pytest.mark.parametrize(
    ("remaining", "line"),
    [
        (2, "2 articles left this month."),
        (1, "1 article left this month."),
        (0, "This is the last article you can read this month."),
    ],
)
def test_a_metered_reader_is_told_what_is_left(
    press: Press, edition: Edition, remaining: int, line: str
) -> None:
    article = edition.articles[0]
    page = printed(press, article, answer(access="granted", reason="metered", remaining=remaining))

    assert line in page
    assert article.paragraphs[-1][:30] in page


def test_the_page_says_what_the_limit_is_here(press: Press) -> None:
    here = press.page("front.html", limit=3)
    as_at_the_paper = press.page("front.html", limit=20)

    assert "limit is 20 articles a month; here it is three so that you meet the wall" in here
    assert "The limit here is 20 articles a month." in as_at_the_paper


def test_search_engines_are_told_which_part_is_behind_the_wall(
    press: Press, edition: Edition, denied: Answer
) -> None:
    page = printed(press, edition.articles[0], denied)
    found = re.search(r'<script type="application/ld\+json">(.+?)</script>', page)

    assert found is not None
    data = json.loads(found[1])
    assert data["isAccessibleForFree"] is False
    assert data["hasPart"]["cssSelector"] == ".paywall"
    assert "wall paywall" in page


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"access": "perhaps", "reason": "metered"},
        {"access": "granted"},
        {"access": "granted", "reason": "metered", "meter": {"used": "many"}},
    ],
)
def test_nonsense_is_not_an_answer(body: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        Answer.read(body, links=Links.on(BILLING))


@pytest.mark.parametrize("status", [400, 401, 403, 431])
def test_a_question_that_billing_refuses_is_no_silence(status: int) -> None:
    request = httpx2.Request("GET", f"{BILLING}/paywall/v1/check")

    given = PaywallCheck(BILLING)._read("a1", httpx2.Response(status, request=request))

    assert given is not None
    assert not given.granted


def test_the_shared_client_never_keeps_one_readers_cookie_for_the_next() -> None:
    check = PaywallCheck(BILLING)
    request = httpx2.Request("GET", f"{BILLING}/paywall/v1/check")
    response = httpx2.Response(200, headers={"set-cookie": "session=hers; Path=/"}, request=request)

    check.client.cookies.extract_cookies(response)

    assert list(check.client.cookies.jar) == []
