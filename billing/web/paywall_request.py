"""What is asked at the wall, read from the bare request: a framework's would cost as much again."""

import functools
import hmac
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from billing.access import Flag
from billing.access.case import ARTICLE
from billing.settings import Settings
from billing.web import cookies

_ARTICLE: Final = re.compile(ARTICLE)
# Of our cookies, in characters: what is longer is none of ours, and is not looked at.
_LONGEST_TOKEN: Final = 100
_LONGEST_VISITOR: Final = 200
_LONGEST_GIFT: Final = 4096
_LONGEST_PASS: Final = 2000
_LONGEST_SENT: Final = 1024  # of a Cookie header that is remembered
_LONGEST_KEPT: Final = 400  # of a query that is read once for all who send it
_CURE: Final = (
    "Send the article's stable id once, as ?article=…: 1 to 200 letters, digits or . _ : / ~ -,"
    " beginning with a letter or a digit."
)
# Browsers announce a page that nobody looks at yet; Firefox once said X-Moz.
_PREFETCH: Final = frozenset({b"sec-purpose", b"purpose", b"x-moz"})

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a question cannot be answered, and what to do.

    Attributes:
        status: in the faces that answer in JSON.
    """

    status: int
    code: str
    cure: str


class FaultError(Exception):
    """A question cannot be answered."""

    def __init__(self, status: int, code: str, cure: str) -> None:
        super().__init__(code)
        self.fault = Fault(status, code, cure)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One article, and what the paper's server says of it, if it says anything."""

    article: str
    flag: Flag | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """Our cookies, as a browser brought them; '' for each it did not."""

    reader: str
    visitor: str
    gift: str
    reader_pass: str


class CookieReader:
    """Finds our cookies among all that a browser sends."""

    def __init__(self, settings: Settings) -> None:
        self._reader, self._visitor, self._gift, self._pass = (
            cookies.name_of(name, settings).encode()
            for name in (cookies.READER, cookies.VISITOR, cookies.GIFT, cookies.PASS)
        )
        # A browser sends the same with each article it opens.
        self._read_once = functools.lru_cache(maxsize=8192)(self._read)

    def read(self, headers: Headers) -> Brought:
        """Read the Cookie header; what is longer than any of ours is none of ours."""
        sent = headers.get(b"cookie", b"")
        return self._read_once(sent) if len(sent) <= _LONGEST_SENT else self._read(sent)

    def _read(self, sent: bytes) -> Brought:
        found: dict[bytes, bytes] = {}
        for part in sent.split(b";"):
            name, _, value = part.strip().partition(b"=")
            found[name] = value
        take = found.get
        return Brought(
            _text(take(self._reader), _LONGEST_TOKEN),
            _text(take(self._visitor), _LONGEST_VISITOR),
            _text(take(self._gift), _LONGEST_GIFT),
            _text(take(self._pass), _LONGEST_PASS),
        )


def _text(value: bytes | None, longest: int) -> str:
    return value.decode("latin-1") if value and len(value) <= longest else ""


def headers_of(scope: Scope) -> Headers:
    """Return the request's headers; those that came in several lines are put together."""
    lines = scope["headers"]
    headers = dict(lines)
    if len(headers) != len(lines):
        headers = {}
        for name, value in lines:
            joint = b"; " if name == b"cookie" else b", "
            headers[name] = headers[name] + joint + value if name in headers else value
    return headers


def prepares(headers: Headers) -> bool:
    """Tell whether a browser only prepares a page."""
    if _PREFETCH.isdisjoint(headers):
        return False
    return any(b"prefetch" in headers.get(name, b"").lower() for name in _PREFETCH)


def wanted_in(query: bytes) -> Wanted:
    """Return the article that is asked for.

    Raises:
        FaultError: it is missing or unreadable.
    """
    read = _read_once if len(query) <= _LONGEST_KEPT else _read
    found = read(query)
    if isinstance(found, Fault):
        raise FaultError(found.status, found.code, found.cure)
    return found


def _read(query: bytes) -> Wanted | Fault:
    pairs = _pairs(query)
    given = [value for name, value in pairs if name == "article"]
    if not given:
        return Fault(400, "article_missing", _CURE)
    if len(given) > 1 or not _ARTICLE.fullmatch(given[0]):
        return Fault(400, "article_unreadable", _CURE)
    flags = [value for name, value in pairs if name == "flag"]
    if not flags:
        return Wanted(given[0])
    flag = flag_of(flags[0]) if len(flags) == 1 else None
    if flag is None:
        return Fault(400, "flag_unreadable", "Send flag=free, flag=metered or flag=locked, once.")
    return Wanted(given[0], flag)


_read_once = functools.lru_cache(maxsize=4096)(_read)


def many_in(query: bytes, *, most: int) -> list[Wanted]:
    """Return the articles of a front page; `free=` and `locked=` name those flagged so.

    Raises:
        FaultError: there are too many of one kind, or one is unreadable.
    """
    words = {"article": None, "free": Flag.FREE, "locked": Flag.LOCKED}
    pairs = [(name, value) for name, value in _pairs(query) if name in words]
    if any(count > most for count in Counter(name for name, _ in pairs).values()):
        raise FaultError(400, "too_many_articles", f"Ask for at most {most} articles at once.")
    if not all(_ARTICLE.fullmatch(article) for _, article in pairs):
        raise FaultError(400, "article_unreadable", _CURE)
    return [Wanted(article, words[name]) for name, article in dict.fromkeys(pairs)]


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return []


def article_in(path: bytes, pattern: str) -> str | None:
    """Return the article at one of the paper's own addresses, by the settings' `article_path`."""
    before, found, after = pattern.partition("{article}")
    address = path.decode("latin-1").partition("?")[0]
    if not found or not (address.startswith(before) and address.endswith(after)):
        return None
    article = address[len(before) : len(address) - len(after)]
    return article if _ARTICLE.fullmatch(article) else None


def flag_of(word: str) -> Flag | None:
    """Return a flag by its word."""
    return Flag(word) if word in {flag.value for flag in Flag} else None


def has_key(headers: Headers, settings: Settings) -> bool:
    """Tell whether the paper's own server asks.

    Raises:
        FaultError: a key was brought that is none of ours.
    """
    brought = headers.get(b"authorization")
    if brought is None:
        return False
    scheme, _, key = brought.partition(b" ")
    known = [each.get_secret_value().encode() for each in settings.paywall.keys]
    fits = [hmac.compare_digest(key.strip(), each) for each in known]  # each, however many fit
    if scheme.lower() != b"bearer":  # somebody else's, such as a password on a test site
        return False
    if not any(fits):
        raise FaultError(
            401, "key_unknown", "Send Authorization: Bearer, with a key of the settings."
        )
    return True
