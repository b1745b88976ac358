"""The press: templates in, pages out. What every page carries is put there once, here."""

from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.answers import Answer, Links
from demo.articles import Article, Edition

LONDON: Final = ZoneInfo("Europe/London")
NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Press:
    """Prints one edition's pages."""

    def __init__(self, edition: Edition, links: Links) -> None:
        """Set the type."""
        self._edition = edition
        self._links = links
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(day=_day, moment=_moment, in_words=_in_words)

    def page(self, template: str, *, limit: int, links: Links | None = None, **words: Any) -> str:
        """Print any page. `limit` is the number of free articles, for the line which says so."""
        shared = {"edition": self._edition, "links": links or self._links, "limit": limit}
        return self._templates.get_template(template).render(shared | words)

    def article(
        self, article: Article, *, asked: bool, answer: Answer | None, limit: int, address: str
    ) -> str:
        """Print one article, or its beginning and the wall.

        Asked and unanswered prints everything: see `PaywallCheck.ask` for why.
        """
        denied = answer is not None and not answer.granted
        return self.page(
            "article.html",
            limit=limit,
            links=answer.links if answer else None,
            article=article.up_to_the_wall() if denied else article,
            answer=answer,
            denied=denied,
            unanswered=asked and answer is None,
            read_next=self._edition.read_next(article),
            structured_data=_structured_data(article, address),
        )


def _structured_data(article: Article, address: str) -> dict[str, object]:
    """Tell search engines which part is behind the wall, so that the wall is not cloaking.

    Source: https://developers.google.com/search/docs/appearance/structured-data/paywalled-content
    """
    data: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": article.headline,
        "description": article.standfirst,
        "datePublished": article.date.isoformat(),
        "articleSection": article.section,
        "author": {"@type": "Person", "name": article.byline},
        "publisher": {"@type": "NewsMediaOrganization", "name": "Morning Star"},
        "mainEntityOfPage": address,
        "isAccessibleForFree": not article.metered,
    }
    if article.metered:
        data["hasPart"] = {
            "@type": "WebPageElement",
            "isAccessibleForFree": False,
            "cssSelector": ".paywall",
        }
    return data


def _day(when: date) -> str:
    """Tuesday 1 December 2026. A moment is first brought to London, where the paper is."""
    local = when.astimezone(LONDON) if isinstance(when, datetime) else when
    return f"{local:%A} {local.day} {local:%B %Y}"


def _moment(when: datetime) -> str:
    return f"{when.astimezone(LONDON):%d/%m/%Y, %H:%M:%S}"


def _in_words(number: int) -> str:
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else str(number)
