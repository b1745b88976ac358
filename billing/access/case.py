"""A question at the wall, who asks it, what it is asked under, and the answer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from billing.access.basis import Basis
from billing.access.decide import Decision, Flag, Policy, Right
from billing.settings import Settings

# An article's stable id, as the paper gives it.
ARTICLE: Final = r"[A-Za-z0-9][A-Za-z0-9._:/~-]{0,199}"


@dataclass(slots=True)
class Question:
    """Who asks for what.

    Attributes:
        article: the paper's stable id of it.
        session_token: of the reader's cookie, or ''.
        visitor_cookie: as the browser brought it, or ''.
        counts: False where nobody reads yet: a prefetch, or a look at the headers alone.
        gift: the link by which somebody passed this very article on, as our own cookie says.
    """

    article: str
    session_token: str = ""
    visitor_cookie: str = ""
    counts: bool = True
    flag: Flag = Flag.METERED
    gift: UUID | None = None


@dataclass(slots=True)
class Answer:
    """A decision, and what the door needs to tell it.

    Attributes:
        signed_in: whether a reader asked, or a visitor.
        new_cookie: the cookie a new visitor must be given; '' for everybody else.
        drawn: whatever the door made of it and may use again; an answer is told many times.
    """

    decision: Decision
    signed_in: bool = False
    new_cookie: str = ""
    drawn: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Person:
    """What is known of whoever brought one cookie.

    Attributes:
        reader_id: None for a visitor.
        first: the hash of a visitor's first article, which waits in their cookie.
        articles: what the meter has counted, as its row says it.
        rights: a reader's, those that ended lately among them.
        until: when this must be found anew, since time alone may have changed it.
        looked: whether a look at Stripe, before refusing them, is out of the question until then.
        answers: those given before, while nothing has changed.
    """

    reader_id: UUID | None
    subject: str
    first: str
    articles: str
    rights: tuple[Right, ...]
    until: datetime
    looked: bool = False
    answers: dict[int, Answer] = field(default_factory=dict)

    def having_read(self, articles: str) -> "Person":
        """Return the same person with another count."""
        return Person(
            self.reader_id,
            self.subject,
            self.first,
            articles,
            self.rights,
            self.until,
            self.looked,
        )


@dataclass(slots=True)
class Case:
    """One question, and what it is asked under."""

    settings: Settings
    question: Question
    basis: Basis
    now: datetime

    def policy_for(self, *, signed_in: bool) -> Policy:
        """Return what the paper has decided for readers, or for visitors."""
        return Policy(self.settings.paywall.limit_of(signed_in=signed_in))


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and who was found; nobody where somebody came for the first time."""

    answer: Answer
    person: Person | None
