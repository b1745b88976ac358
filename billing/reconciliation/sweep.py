"""The sweep: walk Stripe and ourselves, both ways, and put right what differs.

What differs is first all found, and read once more; then it is counted whom a repair would touch;
and only then is anything changed, by the very look that a webhook causes. Nothing is told twice.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.context import Context
from billing.errors import BusyError, StaleReadError, StripeRefusedError, StripeUnavailableError
from billing.models import Feed, OwedState, Repair, StripeEvent
from billing.reconciliation.compare import (
    BEGINNING,
    SIDES,
    UNTOLD,
    Side,
    differences,
    is_finished,
    waiting,
)
from billing.reconciliation.rehearsal import Difference, Found
from billing.reconciliation.report import Drift, Report
from billing.reconciliation.strange import is_strange
from billing.stripe_gateway import walk
from billing.stripe_gateway.told import Key
from billing.words import counted

_YOUNG: Final = timedelta(minutes=2)  # what Stripe has only just said is left to its webhook
_ON_ITS_WAY: Final = timedelta(minutes=10)  # an event that waits here for longer excuses nothing
_ENOUGH: Final = 5  # failures in a row: it is not this or that object, Stripe does not answer
_LOCKED: Final = (BusyError, StaleReadError, sa.exc.OperationalError)

_Known = dict[Key, Any]  # what was read of Stripe in one pass

_log = structlog.get_logger(__name__)


def sweep(
    context: Context,
    *,
    since: datetime | None,
    feed: Feed = Feed.SWEEP,
    apply: bool = True,
    most_readers: int | None = None,
    patience: float = 0,
) -> Report:
    """Compare everything that is not finished, and all that began since, with Stripe.

    Args:
        context: the process's context.
        since: None compares only what is not finished.
        feed: who asked for it; the repairs are counted under it.
        apply: False changes nothing.
        most_readers: of more than these, nothing is repaired and the staff are asked; None asks
            nobody.
        patience: seconds to wait before what seems to differ is read once more, so that what is
            on its way may arrive.
    """
    report = _found(context, since, patience)
    if not apply or report.stopped or not report.drifts:
        return report
    if most_readers is not None and len(report.readers) > most_readers:
        report.waiting_for = len(report.readers)
        _ask_staff(context, report)
        return report
    _repair(context, report, feed)
    if any(drift.repaired for drift in report.drifts):
        second = _found(context, since, patience)
        _repair_what_came_to_light(context, report, second, feed, most_readers)
    return report


def _found(context: Context, since: datetime | None, patience: float) -> Report:
    """Compare, and read once more what seems to differ; change nothing."""
    report = Report(full=since is not None and since <= BEGINNING)
    try:
        if is_strange(context):
            report.stopped = "this database is new and the account is not: run `billing adopt`"
            return report
        drifts = list(_walk(context, report, since))
        if drifts:
            time.sleep(patience)
        _confirm(context, report, drifts)
    except (StripeUnavailableError, StripeRefusedError) as error:
        report.stopped = f"Stripe did not answer: {error}"
    return report


def _repair_what_came_to_light(
    context: Context, report: Report, second: Report, feed: Feed, most_readers: int | None
) -> None:
    """Repair what could not be seen to differ before: a repair may bring rows nobody knew of.

    Most belong to readers who were counted already; with the others there may be too many.
    """
    touched = report.readers | second.readers
    report.drifts += second.drifts
    if most_readers is not None and len(touched) > most_readers:
        report.waiting_for = len(second.readers)
        _ask_staff(context, report)
    else:
        _repair(context, second, feed)
    report.failed |= second.failed
    report.stopped = report.stopped or second.stopped


def _walk(context: Context, report: Report, since: datetime | None) -> Iterator[tuple[Side, Drift]]:
    """Yield what seems to differ: what Stripe shows first, then our own rows it did not show."""
    tries = _Tries(report)
    known: _Known = {}
    for side in SIDES:
        seen = set()
        report.compared[side.kind] = 0
        for object_id, theirs in side.shown(context, since):
            seen.add(object_id)
            yield from _compare(context, report, tries, side, object_id, theirs, known)
        with context.db.reading() as session:
            unseen = waiting(session, side) - seen
        for object_id in sorted(unseen):
            yield from _compare(context, report, tries, side, object_id, UNTOLD, known)


def _compare(
    context: Context,
    report: Report,
    tries: "_Tries",
    side: Side,
    object_id: str,
    theirs: object,
    known: _Known,
) -> Iterator[tuple[Side, Drift]]:
    report.compared[side.kind] += 1
    with context.db.reading() as session:
        if is_finished(session, side, object_id):
            return
    found = tries.of(
        f"{side.kind}:{object_id}",
        lambda: differences(context, side, object_id, theirs, known=known),
    )
    if found is not None and found.differences:
        yield side, Drift(side.kind, object_id, found.differences, found.readers, theirs)


class _Tries:
    """One object that fails stops nothing; several in a row, because Stripe is silent, do."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._silent = 0

    def of(self, subject: str, look: Callable[[], Found]) -> Found | None:
        """Try one look; None where it failed.

        Raises:
            StripeUnavailableError: as often in a row as is enough.
        """
        try:
            found = look()
        except _LOCKED:
            self._report.failed[subject] = "somebody else was looking at it"
        except StripeUnavailableError as error:
            self._silent += 1
            self._report.failed[subject] = str(error)
            if self._silent == _ENOUGH:
                raise
        except Exception as error:  # noqa: BLE001  # the others are looked at all the same
            _log.warning("could not compare", subject=subject, error=type(error).__name__)
            self._report.failed[subject] = type(error).__name__
        else:
            self._silent = 0
            return found
        return None


def _confirm(context: Context, report: Report, drifts: list[tuple[Side, Drift]]) -> None:
    """Keep of what seemed to differ what still does, read afresh; the lists may be old by now."""
    if not drifts:
        return
    now = context.clock.now()
    young = "".join(walk.events_since(context.gateway, since=now - _YOUNG))
    tries = _Tries(report)
    told_of: set[Difference] = set()
    known: _Known = {}
    for side, drift in drifts:
        subject = f"{side.kind}:{drift.object_id}"
        with context.db.reading() as session:
            owed = _owed(session, subject, since=now - _ON_ITS_WAY)
        if owed or drift.object_id in young:
            report.left += 1
            continue
        again = tries.of(subject, lambda: _afresh(context, side, drift, known))  # noqa: B023  # used at once
        told = set(again.differences) if again else set()
        named = any(each.row for each in told)  # what has no name may be another of its kind
        if again is None or not told or (named and told <= told_of):
            continue  # another object has told all of it
        told_of |= told
        drift.differences, drift.readers = again.differences, again.readers
        report.drifts.append(drift)


def _afresh(context: Context, side: Side, drift: Drift, known: _Known) -> Found:
    theirs = UNTOLD if side.told else drift.theirs
    return differences(context, side, drift.object_id, theirs, known=known)


def _owed(session: Session, subject: str, *, since: datetime) -> bool:
    """Tell whether an event that speaks of it has come just now, and waits to be worked off."""
    waits = sa.select(StripeEvent.id).where(
        StripeEvent.subject == subject,
        StripeEvent.state.in_((OwedState.READY, OwedState.RUNNING)),
        StripeEvent.received_at >= since,
    )
    return session.scalar(waits.limit(1)) is not None


def _repair(context: Context, report: Report, feed: Feed) -> None:
    """Look again at everything that differs; what then agrees is repaired, and written down."""
    sides = {side.kind: side for side in SIDES}
    tries = _Tries(report)
    for drift in report.drifts:
        side, subject = sides[drift.kind], f"{drift.kind}:{drift.object_id}"
        began = context.clock.now()

        def mend(side: Side = side, drift: Drift = drift) -> Found:
            side.look(context, drift.object_id, feed, drift.theirs)
            return _afresh(context, side, drift, {})

        try:
            left = tries.of(subject, mend)
        except StripeUnavailableError as error:
            report.stopped = f"Stripe did not answer: {error}"
            return
        if left is not None and not left.differences:
            drift.repaired = True
            _record(context, drift, feed, began)


def _record(context: Context, drift: Drift, feed: Feed, began: datetime) -> None:
    """Write a repair down, unless the look has done so itself."""
    with context.db.unit_of_work() as session:
        written = sa.select(Repair.id).where(
            Repair.kind == drift.kind, Repair.object_id == drift.object_id, Repair.at >= began
        )
        if session.scalar(written.limit(1)) is None:
            session.add(
                Repair(
                    at=context.clock.now(),
                    feed=feed,
                    kind=drift.kind,
                    object_id=drift.object_id,
                    found=drift.as_found(),
                )
            )


def _ask_staff(context: Context, report: Report) -> None:
    now = context.clock.now()
    differ = sum(not drift.repaired for drift in report.drifts)
    with context.db.unit_of_work() as session:
        tasks.raise_again(
            session,
            "too-many-repairs",
            subject=f"{now.date().isoformat()}{' all' if report.full else ''}",
            detail=f"We differ from Stripe in {counted(differ, 'object')}, and putting that right"
            f" would change the access or the mail of {counted(report.waiting_for, 'reader')}. None"
            " of it was done."
            f" Look at it with `--dry-run`; if it is right, run `{report.cure}`.",
            now=now,
        )
