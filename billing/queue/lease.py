"""Claim, call, apply: how one Stripe object is looked at by one worker at a time.

*Claim* commits a lease with a rising fence. *Call* reads Stripe with no transaction open. *Apply*
writes what Stripe said, unless somebody newer has claimed meanwhile. The last to claim is the last
to read, so no timestamps are ever compared; it holds on SQLite and PostgreSQL alike. What Stripe
once said it has no more is gone for ever, and is not asked for again.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.clock import Clock
from billing.db import Database, changed_one, insert_ignore
from billing.errors import BusyError, StaleReadError
from billing.models import ObjectLease

Theirs = TypeVar("Theirs")
Ours = TypeVar("Ours")

LEASE: Final = timedelta(seconds=60)  # longer than a call to Stripe may take, retries included
PATIENCE = 8.0  # seconds to wait for somebody else's look before giving up


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write what was read of one object, while nobody newer has claimed it.

    Attributes:
        gone: whether Stripe has said, now or before, that it has no such object (any more).
    """

    object_id: str
    number: int
    gone: bool = False

    def check(self, session: Session) -> None:
        """Hold the object's row until this transaction ends, and give the lease back with it.

        Raises:
            StaleReadError: somebody has claimed the object since.
        """
        held = sa.update(ObjectLease).where(
            ObjectLease.object_id == self.object_id, ObjectLease.fence == self.number
        )
        if not changed_one(session, held.values(leased_until=None)):
            raise StaleReadError(f"{self.object_id} was claimed by somebody newer")


def look(
    db: Database,
    object_id: str,
    *,
    read: Callable[[], Theirs | None],
    apply: Callable[[Session, Theirs | None, Fence], Ours],
    clock: Clock,
) -> Ours:
    """Look at one Stripe object again: claim it, read it, apply it.

    What is gone is remembered with the look that found it so, and never comes back.

    Args:
        db: where the lease and the mirror are.
        object_id: Stripe's id of the object.
        read: asks Stripe, with no transaction open meanwhile; None where Stripe has no such object.
        apply: writes the answer; must call `fence.check` before it does.
        clock: for the lease.

    Raises:
        BusyError: somebody else has been looking for several seconds.
        StaleReadError: our lease ran out while we read.
    """
    fence = _claim_patiently(db, object_id, clock)
    try:
        theirs = None if fence.gone else read()
        with db.unit_of_work() as session:
            if theirs is None and not fence.gone:
                fence = _bury(session, fence, now=clock.now())
            return apply(session, theirs, fence)
    except BaseException:
        # What could not be applied may be tried again at once, not only when the lease runs out.
        with db.unit_of_work() as session:
            _release(session, fence)
        raise


def _claim_patiently(db: Database, object_id: str, clock: Clock) -> Fence:
    deadline = time.monotonic() + (0 if db.rehearsed else PATIENCE)
    while True:
        with db.unit_of_work() as session:
            fence = _claim(session, object_id, now=clock.now())
        if fence is not None:
            return fence
        if time.monotonic() > deadline:
            raise BusyError(f"somebody else is looking at {object_id}")
        time.sleep(random.uniform(0.02, 0.08))  # noqa: S311  # jitter, not a secret


def _claim(session: Session, object_id: str, *, now: datetime) -> Fence | None:
    """Take the lease if it is free or has run out; every claim raises the fence."""
    raised = session.execute(
        sa.update(ObjectLease)
        .where(
            ObjectLease.object_id == object_id,
            sa.or_(ObjectLease.leased_until.is_(None), ObjectLease.leased_until < now),
        )
        .values(fence=ObjectLease.fence + 1, leased_until=now + LEASE)
        .returning(ObjectLease.fence, ObjectLease.gone_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if raised is not None:
        number, gone_at = raised
        return Fence(object_id, number, gone=gone_at is not None)
    began = session.scalar(
        insert_ignore(session, ObjectLease)
        .values(object_id=object_id, fence=1, leased_until=now + LEASE)
        .returning(ObjectLease.fence)
    )
    return None if began is None else Fence(object_id, began)


def _bury(session: Session, fence: Fence, *, now: datetime) -> Fence:
    """Write down that Stripe has no such object, under the fence of the look that found it so."""
    fence.check(session)
    session.execute(
        sa.update(ObjectLease).where(ObjectLease.object_id == fence.object_id).values(gone_at=now)
    )
    return replace(fence, gone=True)


def _release(session: Session, fence: Fence) -> None:
    session.execute(
        sa.update(ObjectLease)
        .where(ObjectLease.object_id == fence.object_id, ObjectLease.fence == fence.number)
        .values(leased_until=None)
    )
