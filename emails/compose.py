"""From a notice to the words of a mail: subject, text and HTML.

The text part says everything the HTML part says. A mail which cannot be written in full is not
written at all.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Self

from css_inline import CSSInliner
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from billing.errors import BillingError
from billing.notices import Notice
from billing.settings import PLACEHOLDER, Settings
from emails import words

LARGEST_HTML: Final = 100_000  # bytes; mail programs cut off what comes after
_GAP: Final = re.compile(r"\n\s*\n")  # a template's `if` may leave several empty lines
_UNREAL: Final = frozenset({PLACEHOLDER, "GB 123456789"})


class UnwritableMailError(BillingError):
    """The mail cannot be written as it should be; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Composed:
    """The words of one mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes and where they are reached, as every mail prints it.

    Attributes:
        vat_number, phone: '' where the settings do not have the real one; never a placeholder.
        reply_to: where an answer goes, and where a subscriber writes.
        site: our own address, without a slash at its end.
    """

    paper: str
    name: str
    number: str
    office: str
    vat_number: str
    email: str
    phone: str
    reply_to: str
    site: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the letterhead of a deployment."""
        society = settings.society
        return cls(
            paper=society.paper,
            name=society.name,
            number=society.number,
            office=society.office,
            vat_number=_real(society.vat_number),
            email=society.email,
            phone=_real(society.phone),
            reply_to=settings.mail.reply_to,
            site=settings.public_url.rstrip("/"),
        )


def compose(notice: Notice, settings: Settings) -> Composed:
    """Write the mail of a notice.

    Raises:
        UnwritableMailError: the subject is empty or not one line, or the HTML is too large.
        jinja2.TemplateError: there is no template for its kind, or it names what is not there.
    """
    given = {"notice": words.tidy(notice), "head": Letterhead.of(settings)}
    subject = _render(f"{notice.kind}/subject.txt", given).strip()
    if not subject or len(subject.splitlines()) > 1:
        raise UnwritableMailError(f"the subject of a {notice.kind} mail is not one line")
    html = (
        _inliner().inline(_render(f"{notice.kind}/body.html", given | {"subject": subject})) + "\n"
    )
    if len(html.encode()) > LARGEST_HTML:
        raise UnwritableMailError(f"a {notice.kind} mail has more than {LARGEST_HTML} bytes")
    text = _GAP.sub("\n\n", _render(f"{notice.kind}/body.txt", given)).strip() + "\n"
    return Composed(subject=subject, text=text, html=html)


def _render(template: str, given: dict[str, object]) -> str:
    return _templates().get_template(template).render(given)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("emails"),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(
        day=words.day,
        moment=words.moment,
        name=words.name,
        the=words.the,
        subscription=words.subscription,
        capital=words.capital,
    )
    return templates


@cache
def _inliner() -> CSSInliner:
    # What a mail program may drop is the style sheet: rules go into the elements, after rendering
    # because the parser moves a template's `for` out of its table. Dark colours stay a media query.
    return CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)


def _real(particular: str) -> str:
    return "" if particular in _UNREAL else particular
