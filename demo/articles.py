"""The paper's articles: data in TOML, loaded once at the start.

An article's id never changes, whatever happens to its headline or address. The meter counts
ids, so that one article reached by two addresses counts once.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

FOLDER: Final = Path(__file__).parent / "articles"


class Flag(StrEnum):
    """Whether an article counts towards the free limit."""

    FREE = "free"
    METERED = "metered"


@dataclass(frozen=True, slots=True)
class Article:
    """One story, as the news desk filed it."""

    id: str
    slug: str
    headline: str
    standfirst: str
    byline: str
    section: str
    date: date
    flag: Flag
    paragraphs: tuple[str, ...]

    @property
    def metered(self) -> bool:
        """Whether the paper asks before it prints this article."""
        return self.flag is Flag.METERED

    def up_to_the_wall(self) -> Self:
        """Return the article with only the words that anybody may read.

        The templates are handed this copy on a refusal: what a template never holds, no
        mistake in it can print.
        """
        return replace(self, paragraphs=self.paragraphs[:1])


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the paper; its articles stand in the editor's order."""

    name: str
    slug: str
    order: int
    articles: tuple[Article, ...]


class Edition:
    """Everything in today's paper."""

    def __init__(self, sections: Iterable[Section]) -> None:
        """Index the sections.

        Raises:
            ValueError: two articles share an id or an address.
        """
        self.sections = tuple(sorted(sections, key=lambda section: section.order))
        self.articles = tuple(a for section in self.sections for a in section.articles)
        self.by_slug = {article.slug: article for article in self.articles}
        self.by_id = {article.id: article for article in self.articles}
        self.by_section = {section.slug: section for section in self.sections}
        if len(self.by_slug) < len(self.articles):
            raise ValueError("two articles share a slug")
        if len({article.id for article in self.articles}) < len(self.articles):
            raise ValueError("two articles share an id")

    @property
    def date(self) -> date:
        """The day on the front page: that of the newest article."""
        return max(article.date for article in self.articles)

    def read_next(self, article: Article, *, count: int = 4) -> tuple[Article, ...]:
        """Return metered articles that follow this one, going round at the end."""
        here = self.articles.index(article)
        circle = self.articles[here + 1 :] + self.articles[:here]
        return tuple(other for other in circle if other.metered)[:count]


def load(folder: Path = FOLDER) -> Edition:
    """Read every section file in `folder`."""
    return Edition(_section(tomllib.loads(p.read_text("utf-8"))) for p in folder.glob("*.toml"))


def _section(data: dict[str, Any]) -> Section:
    articles = tuple(_article(row, section=data["section"]) for row in data["article"])
    return Section(name=data["section"], slug=data["slug"], order=data["order"], articles=articles)


def _article(row: dict[str, Any], *, section: str) -> Article:
    body: str = row["body"].strip()
    return Article(
        id=row["id"],
        slug=row["slug"],
        headline=row["headline"],
        standfirst=row["standfirst"],
        byline=row["byline"],
        section=section,
        date=row["date"],
        flag=Flag(row["flag"]),
        paragraphs=tuple(part.strip() for part in body.split("\n\n")),
    )
