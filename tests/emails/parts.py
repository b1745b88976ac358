"""Reading a mail's HTML part as a reader's program does."""

import re
from html.parser import HTMLParser

_WORD = re.compile(r"[^\s.,:;()]+")


class Page(HTMLParser):
    """What is in an HTML part.

    Attributes:
        visible: its text.
        links: where its links lead, in order.
        tags: every element with its attributes, in order.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.visible = ""
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._unseen = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "a":
            self.links.append(given["href"] or "")
        self._unseen += tag in {"style", "title"}
        self.visible += " " if tag in {"p", "td", "th", "h1", "h2", "br"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        self.visible += "" if self._unseen else data

    def every(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.tags if name == tag]


def words_of(text: str) -> set[str]:
    """Every word and figure of a text, whatever its case."""
    return set(_WORD.findall(text.lower()))
