"""Find the facts of one question at the wall, have them decided, and count what must be counted.

Somebody with a right, and an article opened before, cost one short reading transaction. Only a free
article that is new to its reader is written, and the look owed to a customer about to be refused.
Stripe is never asked here.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import readers, sign_in
from billing.access import meter
from billing.access.decide import Decision, Facts, Policy, Reason, Right, decide
from billing.access.provisional import let_in_and_look, may_be_owed
from billing.db import Database
from billing.models import Entitlement, Reader
from billing.settings import Settings


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what.

    Attributes:
        article: the paper's stable id of it.
        session_token: of the reader's cookie, or ''.
        visitor_cookie: as the browser brought it, or ''.
        counts: False where nobody reads: a prefetch, or a look at the headers alone.
    """

    article: str
    session_token: str
    visitor_cookie: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, and the cookie a new visitor must be given ('' for everybody else)."""

    decision: Decision
    new_cookie: str = ""


def check(db: Database, settings: Settings, question: Question, *, now: datetime) -> Answer:
    """Answer one question at the wall."""
    window = meter.window_of(now)
    policy = Policy(settings.paywall.limit)
    article = meter.hash_article(settings, window, question.article)
    visitor = None
    with db.reading() as session:
        reader_id = _reader_id(session, question, now=now)
        rights = rights_of(session, reader_id, now=now) if reader_id else ()
        if any(right.holds(now) for right in rights):
            return Answer(_decide(rights, frozenset(), article, window, policy, now))
        if reader_id is None:
            visitor = meter.read_cookie(settings, question.visitor_cookie, window)
        subject = _subject(reader_id, visitor)
        counted = meter.read_so_far(session, subject, window.name) if subject else frozenset()
        if visitor is not None:
            counted |= {visitor.first}
        decision = _decide(rights, counted, article, window, policy, now)
        refused = decision.reason is Reason.LIMIT_REACHED and question.counts
        known = refused and reader_id and may_be_owed(session, reader_id, now=now)
    if reader_id and known:
        return _look_before_refusing(db, reader_id, policy, window, now)
    if decision.reason is not Reason.METERED or not question.counts:
        return Answer(decision)
    if not subject:
        stranger = meter.Visitor.meet(window, article)
        return Answer(decision, meter.write_cookie(settings, stranger))
    with db.unit_of_work() as session:
        counted = meter.count(
            session,
            subject,
            window,
            article_hash=article,
            first=visitor.first if visitor else "",
            limit=policy.limit,
        )
    return Answer(_decide(rights, counted, article, window, policy, now))


def _look_before_refusing(
    db: Database, reader_id: UUID, policy: Policy, window: meter.Window, now: datetime
) -> Answer:
    with db.unit_of_work() as session:
        let_in_and_look(session, reader_id, now=now)
        rights = rights_of(session, reader_id, now=now)
    return Answer(_decide(rights, frozenset(), "", window, policy, now))


def rights_of(session: Session, reader_id: UUID, *, now: datetime) -> tuple[Right, ...]:
    """Return the rights a reader has or will have."""
    rows = session.execute(
        sa.select(Entitlement.source, Entitlement.starts_at, Entitlement.ends_at).where(
            Entitlement.reader_id == reader_id,
            Entitlement.superseded_at.is_(None),
            sa.or_(Entitlement.ends_at.is_(None), Entitlement.ends_at > now),
        )
    )
    return tuple(Right(*row) for row in rows)


def _reader_id(session: Session, question: Question, *, now: datetime) -> UUID | None:
    if not question.session_token:
        return None
    person = sign_in.session_person(session, question.session_token, now=now)
    return person.id if isinstance(person, Reader) else None


def _subject(reader_id: UUID | None, visitor: meter.Visitor | None) -> str:
    if reader_id is not None:
        return readers.meter_subject(reader_id)
    return visitor.subject if visitor else ""


def _decide(
    rights: tuple[Right, ...],
    counted: frozenset[str],
    article: str,
    window: meter.Window,
    policy: Policy,
    now: datetime,
) -> Decision:
    facts = Facts(
        rights, used=len(counted), read_before=article in counted, window_ends=window.ends_at
    )
    return decide(facts, now=now, policy=policy)
