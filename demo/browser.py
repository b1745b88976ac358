"""A reader's browser without JavaScript: cookies, pages, forms, and Stripe's payment page.

It knows our pages only as a reader does: by their addresses, their forms and their words.
"""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx2

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"


@dataclass
class Form:
    """One form of a page, with what is already filled in."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """What a browser shows.

    Attributes:
        address: where the last redirect led.
        words: the text without markup.
    """

    address: str
    status: int
    html: str
    words: str
    forms: tuple[Form, ...]
    type: str

    @classmethod
    def of(cls, answer: httpx2.Response) -> Self:
        """Read an answer."""
        reader = _Reader()
        kind = answer.headers.get("content-type", "")
        if "html" in kind:
            reader.feed(answer.text)
        words = " ".join(" ".join(reader.words).split())
        address = str(answer.url)
        return cls(address, answer.status_code, answer.text, words, tuple(reader.forms), kind)

    def form(self, action: str) -> Form:
        """Return the form that leads to an action.

        Raises:
            LookupError: the page has none.
        """
        for form in self.forms:
            if urlsplit(urljoin(self.address, form.action)).path == action:
                return form
        raise LookupError(f"no form for {action} on {self.address} ({self.status})")

    def json(self) -> Any:
        """Return the answer as data."""
        return json.loads(self.html)


class Browser:
    """One person's browser."""

    def __init__(self, *, address: str = "127.0.0.1") -> None:
        """Open it at a network address, which the product hears from its proxy."""
        self.http = httpx2.Client(
            follow_redirects=True, timeout=60, headers={"x-forwarded-for": address}, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.http.close()

    def get(self, address: str, **query: str) -> Page:
        """Go to an address."""
        return Page.of(self.http.get(address, params=query or None))

    def submit(self, page: Page, action: str, **fields: str) -> Page:
        """Fill in the form that leads to an action, and send it."""
        form = page.form(action)
        sent = form.fields | fields
        address = urljoin(page.address, form.action)
        if form.method == "get":
            return self.get(address, **sent)
        return Page.of(self.http.post(address, data=sent, headers=_from(page.address)))

    def pay(
        self,
        page: Page,
        *,
        email: str,
        name: str,
        card: str = GOOD_CARD,
        postal_code: str = "M1 1AA",
    ) -> Page:
        """Fill in Stripe's payment page, and follow where it leads."""
        details = {"number": card, "expiry": "12/40", "cvc": "123", "name": name, "email": email}
        more = {"country": "GB", "postal_code": postal_code, "terms": "yes"}
        return Page.of(
            self.http.post(page.address, data=details | more, headers=_from(page.address))
        )


def _from(address: str) -> dict[str, str]:
    parts = urlsplit(address)
    return {"origin": f"{parts.scheme}://{parts.netloc}"}


class _Reader(HTMLParser):
    """Gathers a page's forms and words."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag in {"style", "script", "title"}:
            self._unseen += 1
        elif tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "input" and self.forms and "name" in given:
            ticked = given.get("type") not in {"radio", "checkbox"} or "checked" in given
            if ticked:
                self.forms[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script", "title"}:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)
