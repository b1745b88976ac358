"""When everything is compared with Stripe: each night, each week, and on demand.

The cursor says since when nothing was missed; a round that did not come to its end leaves it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.books.opening import opened_at
from billing.context import Context
from billing.errors import BillingError, KeyRefusedError
from billing.models import Cursor, Feed
from billing.payments import open_questions
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.refresh import refresh
from billing.reconciliation.report import Report
from billing.reconciliation.subject import Subject, SubjectKind
from billing.reconciliation.sweep import sweep
from billing.stripe_gateway import walk
from billing.stripe_gateway.whose import remembered
from billing.words import counted

PATIENCE: Final = 10.0  # real seconds: where time is moved, a month's webhooks arrive at once
_CURSOR: Final = "sweep"
_GAP: Final = "gap"
_NOT_WHOLE: Final = "gap-not-whole"
_LATER: Final = timedelta(days=1)
_OVERLAP: Final = timedelta(days=1)
_NIGHT: Final = timedelta(days=7)
_WEEK: Final = timedelta(days=35)
_KEPT: Final = timedelta(days=30)  # Stripe lists no event that is older; the round must be whole

_log = structlog.get_logger(__name__)


def nightly(context: Context) -> Report:
    """Compare all that is not finished, and what began in the last days."""
    return _round(context, _NIGHT)


def weekly(context: Context) -> Report:
    """Compare all that is not finished, and what began in the last five weeks."""
    return _round(context, _WEEK)


def everything(context: Context, *, feed: Feed = Feed.SWEEP) -> Report:
    """Compare everything there ever was."""
    return _swept(context, BEGINNING, feed)


def note_gap(session: Session, *, now: datetime) -> None:
    """Note that events are lost for good: everything is compared as soon as somebody is free."""
    session.merge(Cursor(name=_GAP, at=now))


def make_up_for_a_gap(context: Context) -> Report | None:
    """Compare everything, if a gap was noted; one that breaks off is begun again.

    Where some of it could not be looked at, all of it is looked at again a day later.
    """
    now = context.clock.now()
    with context.db.reading() as session:
        gap = session.get(Cursor, _GAP)
    if gap is None or gap.at > now:
        return None
    report = everything(context)
    if report.stopped:
        return report
    mine = sa.and_(Cursor.name == _GAP, Cursor.at == gap.at)
    with context.db.unit_of_work() as session:
        if not report.failed:
            session.execute(sa.delete(Cursor).where(mine))
            tasks.settle_tasks(session, _NOT_WHOLE, subject=_GAP, now=now)
        else:
            session.execute(sa.update(Cursor).where(mine).values(at=now + _LATER))
            _ask_about_failed(session, report, now)
    return report


def _ask_about_failed(session: Session, report: Report, now: datetime) -> None:
    first, why = next(iter(report.failed.items()))
    tasks.raise_again(
        session,
        _NOT_WHOLE,
        subject=_GAP,
        detail=f"All was compared after a gap, but {counted(len(report.failed), 'object')} could"
        f" not be looked at, {first} ({why}) among them. It is tried again each day; `billing"
        " reconcile --full` names them all.",
        now=now,
    )


def _round(context: Context, back: timedelta) -> Report:
    """Look back as far as is usual, or to the last round where that is longer ago."""
    now = context.clock.now()
    with context.db.reading() as session:
        cursor = session.get(Cursor, _CURSOR)
    if cursor is None:
        return _swept(context, now - _WEEK, Feed.SWEEP)
    if now - cursor.at > _KEPT:
        _say_so(context, cursor.at, now)
        return _swept(context, BEGINNING, Feed.SWEEP)
    return _swept(context, min(now - back, cursor.at - _OVERLAP), Feed.SWEEP)


def _swept(context: Context, since: datetime, feed: Feed) -> Report:
    began = context.clock.now()
    most = context.settings.reconciliation.most_readers
    report = sweep(context, since=since, feed=feed, most_readers=most, patience=PATIENCE)
    if not report.stopped and not report.waiting_for:
        with context.db.unit_of_work() as session:
            session.merge(Cursor(name=_CURSOR, at=began))
    if not report.stopped:
        _ask_anew(context, since)
    say = _log.info if report.exit_code == 0 else _log.warning
    say("reconciled", drift=len(report.drifts), failed=len(report.failed), stopped=report.stopped)
    return report


def _ask_anew(context: Context, since: datetime) -> None:
    """Look at what we keep no mirror of: our account, its prices, and what Stripe asks of staff."""
    with context.db.reading() as session:
        ours, asked, opened = remembered(session), open_questions(session), opened_at(session)
    since = max(since, opened) if opened else since
    mirrored = [Subject(SubjectKind.PRICE, "catalogue")]
    mirrored += [Subject(SubjectKind.ACCOUNT, ours.partition(" ")[0])] if ours else []
    for subject in mirrored:
        _tried(context, str(subject), partial(refresh, context, subject, feed=Feed.SWEEP))
    found = set(asked)
    for kind, walked in walk.questions(context.gateway, since=since).items():
        _tried(context, kind, lambda walked=walked: found.update(walked))  # type: ignore[misc]
    for each in sorted(found):
        question = Subject(SubjectKind.QUESTION, each)
        _tried(context, each, partial(refresh, context, question, feed=Feed.SWEEP))


def _tried(context: Context, what: str, look: Callable[[], object]) -> None:
    """Look at one thing; what cannot be looked at keeps nobody from the others."""
    try:
        look()
    except BillingError as error:
        _log.warning("not asked anew", what=what, reason=str(error))  # the next round does
        if isinstance(error, KeyRefusedError):
            detail = (
                f"{what} cannot be looked at ({error}). `billing doctor` names what is missing."
            )
            now = context.clock.now()
            with context.db.unit_of_work() as session:
                tasks.raise_again(session, "key-refused", subject=what, detail=detail, now=now)


def _say_so(context: Context, since: datetime, now: datetime) -> None:
    with context.db.unit_of_work() as session:
        tasks.raise_task(
            session,
            "long-gap",
            subject=f"sweep:{since.date().isoformat()}",
            detail=f"Nothing was compared with Stripe since {since:%d %B %Y}, and Stripe lists no"
            " events that old: everything there ever was is compared now.",
            now=now,
        )
