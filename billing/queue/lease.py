"""Claim, call, apply: how one Stripe object is looked at by one worker at a time.

*Claim* commits a lease with a rising fence. *Call* reads Stripe with no transaction open. *Apply*
writes what Stripe said, unless somebody newer has claimed meanwhile. The last to claim is the last
to read, so no timestamps are ever compared; it holds on SQLite and PostgreSQL alike.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
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
_PATIENCE: Final = 8.0  # seconds to wait for somebody else's look before giving up


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write what was read of one object, while nobody newer has claimed it."""

    object_id: str
    number: int

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
    read: Callable[[], Theirs],
    apply: Callable[[Session, Theirs, Fence], Ours],
    clock: Clock,
) -> Ours:
    """Look at one Stripe object again: claim it, read it, apply it.

    Args:
        db: where the lease and the mirror are.
        object_id: Stripe's id of the object.
        read: asks Stripe; no transaction is open meanwhile.
        apply: writes the answer; must call `fence.check` before it does.
        clock: for the lease.

    Raises:
        BusyError: somebody else has been looking for several seconds.
        StaleReadError: our lease ran out while we read.
    """
    fence = _claim_patiently(db, object_id, clock)
    try:
        theirs = read()
        with db.unit_of_work() as session:
            return apply(session, theirs, fence)
    except BaseException:
        # What could not be applied may be tried again at once, not only when the lease runs out.
        with db.unit_of_work() as session:
            _release(session, fence)
        raise


def _claim_patiently(db: Database, object_id: str, clock: Clock) -> Fence:
    deadline = time.monotonic() + _PATIENCE
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
    raised = session.scalar(
        sa.update(ObjectLease)
        .where(
            ObjectLease.object_id == object_id,
            sa.or_(ObjectLease.leased_until.is_(None), ObjectLease.leased_until < now),
        )
        .values(fence=ObjectLease.fence + 1, leased_until=now + LEASE)
        .returning(ObjectLease.fence)
        .execution_options(synchronize_session=False)
    )
    if raised is not None:
        return Fence(object_id, raised)
    began = session.scalar(
        insert_ignore(session, ObjectLease)
        .values(object_id=object_id, fence=1, leased_until=now + LEASE)
        .returning(ObjectLease.fence)
    )
    return None if began is None else Fence(object_id, began)


def _release(session: Session, fence: Fence) -> None:
    session.execute(
        sa.update(ObjectLease)
        .where(ObjectLease.object_id == fence.object_id, ObjectLease.fence == fence.number)
        .values(leased_until=None)
    )
