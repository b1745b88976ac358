"""The edition is whole: complete articles, each with an id and an address of its own."""

import pytest

from demo.articles import Edition, Flag, Section


def test_some_thirty_articles_load_and_each_is_complete(edition: Edition) -> None:
    assert 28 <= len(edition.articles) <= 35
    for article in edition.articles:
        assert all((article.headline, article.standfirst, article.byline, article.section))
        assert 100 <= sum(len(part.split()) for part in article.paragraphs) <= 220
        assert len(article.paragraphs) >= 3, "a wall needs something behind it"


def test_ids_and_addresses_are_unique(edition: Edition) -> None:
    count = len(edition.articles)

    assert len({article.id for article in edition.articles}) == count
    assert len({article.slug for article in edition.articles}) == count


def test_an_edition_with_one_id_twice_is_refused(edition: Edition) -> None:
    twice = edition.articles[:1] * 2

    with pytest.raises(ValueError, match="two articles share"):
        Edition([Section(name="Twice", slug="twice", order=1, articles=twice)])


def test_a_few_articles_are_free_and_most_are_metered(edition: Edition) -> None:
    free = [article for article in edition.articles if article.flag is Flag.FREE]

    assert 2 <= len(free) <= 5


def test_what_to_read_next_is_metered_and_never_the_same_article(edition: Edition) -> None:
    for article in edition.articles:
        following = edition.read_next(article)
        assert len(following) == 4
        assert article not in following
        assert all(other.metered for other in following)
