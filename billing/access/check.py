"""Have a question decided, and write down what must be before it is answered.

All of it may wait for the database; `billing.access.wall` answers from memory where it can, and
calls this in a thread where it cannot. Whoever has a right, and whoever opens an article again,
costs one statement; a free article one more, which counts and commits. Stripe is never asked.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

from billing.access import gift_links, meter
from billing.access.case import Answer, Case, Outcome, Person
from billing.access.decide import Facts, Flag, Right, decide, decide_blindly
from billing.access.lookup import COUNT_POSTGRESQL, COUNT_SQLITE, find
from billing.access.provisional import let_in_and_look, may_be_owed
from billing.access.reasons import REFUSED_AT_THE_WALL, Reason
from billing.clock import accounting_day, start_of_day
from billing.driver import Connection
from billing.readers.meters import HASH, contains

FREE: Final = Answer(decide_blindly(Flag.FREE, opens=True))


def check(connection: Connection, case: Case, *, known: Person | None = None) -> Outcome:
    """Answer one question.

    Args:
        connection: the caller's own.
        case: the question.
        known: who asks, where that is remembered.

    Raises:
        DatabaseAwayError: the database cannot be reached.
        DatabaseBusyError: it did not do what it was asked.
        sqlalchemy.exc.SQLAlchemyError: the same, in the look before a refusal.
    """
    person = known or find(connection, case)
    given = _given(connection, case)
    if person is None:
        return Outcome(meet(case, given), None)
    answer = answer_from(case, person, given)
    if not unsettled(case, person, answer):
        return Outcome(answer, person)
    if answer.decision.reason is Reason.METERED:
        return _count(connection, case, person)
    return _look_before_refusing(connection, case, person)


def glance(connection: Connection, cases: Sequence[Case]) -> list[Answer]:
    """Answer one person's questions about many articles, none of which counts; see `check`."""
    person = find(connection, cases[0]) or _nobody(cases[0])
    by_gift = {case.question.gift: case for case in cases}
    given = {gift: _given(connection, case) for gift, case in by_gift.items()}
    return [answer_from(case, person, given[case.question.gift]) for case in cases]


def answer_from(case: Case, person: Person, given: tuple[Right, ...] = ()) -> Answer:
    """Return what is answered by what is known; `unsettled` tells whether it may be told yet.

    Whoever has no right is answered by numbers alone, and many have the same.
    """
    question, basis = case.question, case.basis
    if question.flag is Flag.FREE:
        return FREE
    articles = person.articles
    read_before = bool(articles) and contains(articles, basis.hashes.of(question.article))
    if given:
        return _answer(case, person, given, read_before=read_before)
    # What the answer depends on beside rights and openings, as one number.
    locked, signed_in = question.flag is Flag.LOCKED, person.reader_id is not None
    key = len(articles) << 4 | read_before << 3 | question.counts << 2 | locked << 1 | signed_in
    kept = person.answers if person.rights or basis.openings else basis.answers
    answer = kept.get(key)
    if answer is None:
        answer = kept[key] = _answer(case, person, (), read_before=read_before)
    return answer


def _answer(case: Case, person: Person, given: tuple[Right, ...], *, read_before: bool) -> Answer:
    facts = Facts(
        (*person.rights, *given),
        used=meter.number_of(person.articles),
        read_before=read_before,
        window_ends=case.basis.window.ends_at,
        flag=case.question.flag,
        counts=case.question.counts,
        openings=case.basis.openings,
    )
    signed_in = person.reader_id is not None
    decision = decide(facts, now=case.now, policy=case.policy_for(signed_in=signed_in))
    return Answer(decision, signed_in)


def unsettled(case: Case, person: Person, answer: Answer) -> bool:
    """Tell whether something must be written down before an answer is told.

    A free article must be counted; and a reader is not refused before we know that Stripe need not
    be looked at. Where nobody reads yet, neither is done.
    """
    reason = answer.decision.reason
    if reason is Reason.METERED:
        return case.question.counts
    refused = reason in REFUSED_AT_THE_WALL and person.reader_id is not None
    return refused and case.question.counts and not person.looked


def _given(connection: Connection, case: Case) -> tuple[Right, ...]:
    """Return the right a gift link gives, unless its giver has taken it back."""
    if case.question.gift is None:
        return ()
    rows = connection.run(gift_links.STILL_GOOD, link_id=case.question.gift)
    return tuple(
        Right(Reason.GIFT_LINK, case.basis.window.starts_at, expires_at)
        for expires_at, revoked_at in rows
        if revoked_at is None
    )


def meet(case: Case, given: tuple[Right, ...] = ()) -> Answer:
    """Answer somebody who comes for the first time; who reads a free article is named in a cookie.

    The article waits in the cookie: whoever never brings it back is written down nowhere.
    """
    answer = answer_from(case, _nobody(case), given)
    if answer.decision.reason is Reason.METERED and case.question.counts:
        visitor = meter.Visitor.meet(case.basis.window, case.basis.hashes.of(case.question.article))
        return replace(answer, new_cookie=meter.write_cookie(case.settings, visitor))
    return answer


def _nobody(case: Case) -> Person:
    """Return somebody of whom nothing is known."""
    return Person(None, "", "", "", (), case.basis.window.ends_at)


def _look_before_refusing(connection: Connection, case: Case, person: Person) -> Outcome:
    reader_id = cast("UUID", person.reader_id)
    with connection.db.reading() as session:
        owed = may_be_owed(session, reader_id, now=case.now)
    if owed:
        with connection.db.unit_of_work() as session:
            let_in_and_look(session, reader_id, now=case.now)
        person = find(connection, case) or person
    tomorrow = start_of_day(accounting_day(case.now) + timedelta(days=1))
    person = replace(person, looked=True, until=min(person.until, tomorrow), answers={})
    answer = answer_from(case, person)
    if unsettled(case, person, answer):
        return _count(connection, case, person)
    return Outcome(answer, person)


def _count(connection: Connection, case: Case, person: Person) -> Outcome:
    """Count an article, unless it would be one too many: one statement, which commits.

    The row decides, not what is remembered of it: of two requests at once the second finds what the
    first has counted.
    """
    policy = case.policy_for(signed_in=person.reader_id is not None)
    article = case.basis.hashes.of(case.question.article)
    begins = person.first or article
    if begins != article and policy.limit > 1:
        begins += article
    [[articles]] = connection.commit(
        COUNT_SQLITE if connection.db.is_sqlite else COUNT_POSTGRESQL,
        month=case.basis.window.name,
        subject=person.subject,
        begins=begins,
        article=article,
        most=policy.limit * HASH,
    )
    before = person.having_read(articles.removesuffix(article))
    answer = answer_from(case, before)
    after = person.having_read(articles)
    if answer.decision.reason in REFUSED_AT_THE_WALL and unsettled(case, after, answer):
        return _look_before_refusing(connection, case, after)  # somebody else's tab was quicker
    return Outcome(answer, after)
