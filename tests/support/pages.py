"""Reading a page as its reader would: headings, forms, buttons, words."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """A form, its fields and its buttons' words."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """A page, taken apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._said: list[str] = []
        self._inside: list[str] = []
        self._catching: list[str] | None = None
        self.feed(html)
        self.words = " ".join(" ".join(self._said).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self._inside.append(tag)
        if tag in ("h1", "h2", "h3", "button"):
            self._catching = []
        elif tag == "a":
            self.links.append(given.get("href") or "")
        elif tag == "form":
            self.forms.append(Form(given.get("action") or "", given.get("method") or "get"))
        elif tag == "input" and self.forms:
            self._field(given)

    def handle_endtag(self, tag: str) -> None:
        if self._catching is not None and tag in ("h1", "h2", "h3", "button"):
            words = " ".join("".join(self._catching).split())
            if tag == "button" and self.forms:
                self.forms[-1].buttons.append(words)
            else:
                self.headings.append((tag, words))
            self._catching = None
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._inside and "script" not in self._inside:
            self._said.append(data)
        if self._catching is not None:
            self._catching.append(data)

    def form(self, action: str) -> Form:
        """Return the one form that leads to an address."""
        [found] = [form for form in self.forms if form.action == action]
        return found

    def titles(self, level: str) -> list[str]:
        """Return the words of every heading of a level."""
        return [words for tag, words in self.headings if tag == level]

    def having(self, attribute: str) -> list[str]:
        """Return the tags that carry an attribute."""
        return [tag for tag, given in self.tags if attribute in given]

    def _field(self, given: dict[str, str | None]) -> None:
        name, kind = given.get("name") or "", given.get("type")
        if kind in ("radio", "checkbox"):
            self.forms[-1].fields.setdefault(name, "")
            if "checked" not in given:
                return
        self.forms[-1].fields[name] = given.get("value") or ""
