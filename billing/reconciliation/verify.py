"""A verification: everything compared with Stripe, nothing changed, and what was found is kept.

The kept report is a mapping: `cutoff` (when we began to look), `compared` (how many of each kind),
`differences` (each with `kind`, `object_id` and `found`: `field`, `ours`, `theirs`), `left`,
`failed`, `stopped`, `books` (`held` by currency, `movements`, `faults`, `payouts`) and `took_s`.
A day without any difference is kept like any other.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from billing import tasks
from billing.clock import accounting_day, in_words
from billing.context import Context
from billing.errors import StripeRefusedError, StripeUnavailableError
from billing.models import Task, Verification
from billing.reconciliation.books import Books, compare_books
from billing.reconciliation.compare import BEGINNING
from billing.reconciliation.report import Report
from billing.reconciliation.rounds import PATIENCE
from billing.reconciliation.sweep import sweep
from billing.words import counted

_DAILY: Final = timedelta(days=35)
_KIND: Final = "verification"
_ASKED: Final = sa.select(Task.subject).where(Task.kind == _KIND, Task.closed_at.is_(None))

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Verified:
    """What one verification found.

    Attributes:
        cutoff: when it began; what happened later is no difference.
        books: None where Stripe did not answer.
    """

    cutoff: datetime
    mirror: Report
    books: Books | None = None
    took_s: int = 0

    @property
    def differences(self) -> int:
        """How many there are, in the mirror and in the books."""
        return len(self.mirror.drifts) + (len(self.books.faults) if self.books else 0)

    @property
    def whole(self) -> bool:
        """Whether all was compared: agreement with what was not seen is none."""
        return self.exit_code != 2  # noqa: PLR2004

    @property
    def exit_code(self) -> int:
        """0 where all agrees, 1 where something differs, 2 where we could not look."""
        if self.books is None or self.mirror.exit_code == 2:  # noqa: PLR2004
            return 2
        return 1 if self.differences else 0

    @property
    def lines(self) -> list[str]:
        """Return it line by line, for a person."""
        books = self.books.in_words() if self.books else ["the books were not compared"]
        found = counted(self.differences, "difference") if self.differences else "no difference"
        verdict = found if self.whole else f"not all was compared; {found} in what was seen"
        as_of = f"as of {self.cutoff:%d %B %Y %H:%M}"
        return [*self.mirror.in_words(), *books, f"{as_of}: {verdict.upper()}"]

    def as_kept(self) -> dict[str, Any]:
        """Return the report that is kept."""
        return {
            "cutoff": self.cutoff.isoformat(),
            "whole": self.whole,
            **self.mirror.as_kept(),
            "books": self.books.as_kept() if self.books else {},
            "took_s": self.took_s,
        }


def verify_daily(context: Context) -> Verified:
    """Verify what is not finished, and what began in the last five weeks.

    While the staff are asked about a difference, as far back as it was found: what grows too old to
    be looked at would never be said to agree.
    """
    since = context.clock.now() - _DAILY
    with context.db.reading() as session:
        asked = [_asked_from(subject) for subject in session.scalars(_ASKED)]
    since = min([since, *(each for each in asked if each > BEGINNING)])
    return verify(context, since=since, patience=PATIENCE)


def verify(context: Context, *, since: datetime, patience: float = 0) -> Verified:
    """Compare everything that is not finished, or began since, and the books; keep the report.

    The staff are asked to look where something differs; the question is closed by a verification
    that looks as far back and agrees.

    Args:
        context: the process's context.
        since: from when what has finished is compared too.
        patience: seconds to wait before what differs is looked at once more; 0 looks once.
    """
    verified = _look(context, since)
    if patience and (verified.differences or verified.mirror.failed):
        time.sleep(patience)
        verified = _look(context, since)
    with context.db.unit_of_work() as session:
        _keep(session, verified, since)
    _log.info("verified", differences=verified.differences, exit_code=verified.exit_code)
    return verified


def _look(context: Context, since: datetime) -> Verified:
    began = time.monotonic()
    verified = Verified(context.clock.now(), sweep(context, since=since, apply=False))
    try:
        verified.books = compare_books(context, since=since)
    except (StripeUnavailableError, StripeRefusedError) as error:
        verified.mirror.stopped = verified.mirror.stopped or f"Stripe did not answer: {error}"
    verified.took_s = round(time.monotonic() - began)
    return verified


def _keep(session: Session, verified: Verified, since: datetime) -> None:
    kept, cutoff = verified.as_kept(), verified.cutoff
    session.add(Verification(at=cutoff, differences=verified.differences, report=kept))
    if verified.exit_code == 0:
        for subject in session.scalars(_ASKED):
            if _asked_from(subject) >= since:
                tasks.settle_tasks(session, _KIND, subject=subject, now=cutoff)
        return
    unseen = "" if verified.whole else "Not everything could be compared with Stripe. "
    tasks.raise_again(
        session,
        _KIND,
        subject=since.date().isoformat(),
        detail=f"{unseen}{counted(verified.differences, 'difference')} between us and Stripe on"
        f" {in_words(accounting_day(cutoff))}; `billing verify` names what there is, `billing"
        " reconcile` puts right what can be.",
        now=cutoff,
    )


def _asked_from(subject: str) -> datetime:
    """Return since when a question is; its subject names the day."""
    return datetime.fromisoformat(subject).replace(tzinfo=UTC)
