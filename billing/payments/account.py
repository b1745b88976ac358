"""Our account at Stripe, and what Stripe asks that only a person can answer.

Nothing here is mirrored: a question stands among the tasks while there is something to do.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.context import Context
from billing.models import Task
from billing.queue import Fence, look
from billing.stripe_gateway import read_money
from billing.stripe_gateway.types import StripeAccount, StripeQuestion
from billing.tasks import raise_again, raise_task, settle_tasks

Also = Callable[[Session], None]

_TO_DO: Final = {
    "early-fraud-warning": "Look at the payment {about} and refund it if nobody there knows of it:"
    " a full refund now spares the dispute that usually follows.",
    "review": "Approve or refund the payment {about} at Stripe's dashboard.",
    "credit-note": "It changes what the invoice {about} says was owed. Money moves only by a"
    " refund, which is booked by itself; check that one was made if one was meant.",
}


def look_at_account(
    context: Context, account_id: str, *, also: Also = lambda _session: None
) -> None:
    """Read our account, and raise the alarm while Stripe takes no payments or pays nothing out.

    Args:
        context: the process's context.
        account_id: Stripe's id, which says whose look this is.
        also: written in the same commit as the effects.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def apply_it(session: Session, theirs: StripeAccount | None, fence: Fence) -> None:
        fence.check(session)
        if theirs is not None:
            _raise_or_settle(session, theirs, context.clock.now())
        also(session)

    look(
        context.db,
        account_id,
        read=lambda: read_money.account(context.gateway),
        apply=apply_it,
        clock=context.clock,
    )


def _raise_or_settle(session: Session, theirs: StripeAccount, now: datetime) -> None:
    why = f" ({theirs.reason.replace('_', ' ')})" if theirs.reason else ""
    cure = "Stripe's dashboard says at the top of its first page what it wants."
    alarms = (
        ("payouts-stopped", theirs.payouts_enabled, "Stripe pays nothing out to our bank"),
        ("charges-stopped", theirs.charges_enabled, "Stripe takes no payments for us"),
    )
    for kind, well, what in alarms:
        if well:
            settle_tasks(session, kind, subject=theirs.id, now=now)
        else:
            detail = f"{what}{why}. {cure}"
            raise_again(session, kind, subject=theirs.id, detail=detail, now=now)


def open_questions(session: Session) -> set[str]:
    """Return what staff are asked about by Stripe and have not seen to."""
    asked = sa.select(Task.subject).where(Task.kind.in_(_TO_DO), Task.closed_at.is_(None))
    return set(session.scalars(asked))


def look_at_question(
    context: Context, object_id: str, *, also: Also = lambda _session: None
) -> None:
    """Read an early fraud warning, a review or a credit note, and ask staff while it is open.

    Raises:
        BusyError, StaleReadError, StripeUnavailableError: try again later.
    """

    def apply_it(session: Session, theirs: StripeQuestion | None, fence: Fence) -> None:
        fence.check(session)
        now = context.clock.now()
        if theirs is not None and theirs.open:
            detail = f"{theirs.detail} {_TO_DO[theirs.kind].format(about=theirs.about)}"
            raise_task(session, theirs.kind, subject=theirs.id, detail=detail, now=now)
        else:
            settle_tasks(session, *_TO_DO, subject=object_id, now=now)
        also(session)

    look(
        context.db,
        object_id,
        read=lambda: read_money.question(context.gateway, object_id),
        apply=apply_it,
        clock=context.clock,
    )
