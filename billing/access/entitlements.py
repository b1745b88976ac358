"""Dated rights to read, and how a subscription makes them.

A row is never edited: what changes is superseded by a new row, and the same facts write nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing import tasks
from billing.access.decide import Right
from billing.access.reasons import OF_SOURCE
from billing.clock import accounting_day, in_words
from billing.models import Entitlement, EntitlementSource, Subscription, SubscriptionStatus
from billing.settings import Paywall

_UNKNOWN: Final = "unknown-subscription-status"
_MAY_HAVE_GRACE: Final = (
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.UNPAID,
    SubscriptionStatus.CANCELED,
)


@dataclass(frozen=True, slots=True)
class Term:
    """What a right says, apart from whose it is: from when, until when, and why in words.

    Attributes:
        ends_at: None where nothing limits it.
    """

    starts_at: datetime
    ends_at: datetime | None
    reason: str


def follow_subscription(
    session: Session, subscription: Subscription, *, paywall: Paywall, now: datetime
) -> None:
    """Make the reader's rights what the mirror of their subscription says.

    A status we do not know leaves the rights as they are, and the staff are asked to look.
    """
    if subscription.status is SubscriptionStatus.UNKNOWN:
        tasks.raise_task(
            session,
            _UNKNOWN,
            subject=subscription.stripe_subscription_id,
            detail="Stripe gave this subscription a status we do not know; the reader's access was"
            " left as it was. Look at it in Stripe.",
            now=now,
        )
        return
    for source, term in (
        (EntitlementSource.SUBSCRIPTION, _paid(subscription, paywall)),
        (EntitlementSource.GRACE, _grace(subscription, paywall)),
    ):
        _set(session, subscription.reader_id, source, str(subscription.id), term, now=now)


def settle_unknown(session: Session, subscription: Subscription, *, now: datetime) -> None:
    """Close the question of a status that we did not know and now do."""
    tasks.settle_tasks(session, _UNKNOWN, subject=subscription.stripe_subscription_id, now=now)


def grant(
    session: Session,
    *,
    reader_id: UUID,
    source: EntitlementSource,
    source_id: str,
    term: Term,
    now: datetime,
) -> None:
    """Give a reader a right to read, or change the one that has this source."""
    _set(session, reader_id, source, source_id, term, now=now)


def revoke(session: Session, *, source: EntitlementSource, source_id: str, now: datetime) -> None:
    """Take back the right that has this source. Rights from elsewhere stay as they are."""
    current = _current(session, source, source_id)
    if current is not None:
        _supersede(session, current, now=now)


def rights_of(session: Session, reader_id: UUID, *, now: datetime) -> tuple[Right, ...]:
    """Return the rights a reader has or will have."""
    rows = session.execute(
        sa.select(Entitlement.source, Entitlement.starts_at, Entitlement.ends_at).where(
            Entitlement.reader_id == reader_id,
            Entitlement.superseded_at.is_(None),
            sa.or_(Entitlement.ends_at.is_(None), Entitlement.ends_at > now),
        )
    )
    return tuple(
        Right(OF_SOURCE[source], starts_at, ends_at) for source, starts_at, ends_at in rows
    )


def _paid(subscription: Subscription, paywall: Paywall) -> Term | None:
    """What is paid, and a moment more where the renewal may still be on its way to us."""
    ends = subscription.paid_until
    words = f"Subscription, paid until {_day(ends)}"
    if subscription.provisional_until is not None:
        ends = subscription.provisional_until
        words = f"Subscription, paid until {_day(subscription.paid_until)}; runs until {_day(ends)}"
    runs = subscription.status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)
    if runs and not subscription.collection_paused:
        ends += timedelta(hours=paywall.renewal_leeway_hours)
    end = _end(subscription)
    if end is not None and end <= ends:
        ends, words = end, f"Subscription, ends on {_day(end)}"
    return _term(subscription.started_at, ends, words)


def _grace(subscription: Subscription, paywall: Paywall) -> Term | None:
    """Time to put a failed renewal right, counted from the first failure."""
    if subscription.status not in _MAY_HAVE_GRACE or subscription.past_due_since is None:
        return None
    ends = grace_ends(subscription, paywall)
    words = f"Not paid since {_day(subscription.past_due_since)}; grace until {_day(ends)}"
    return _term(subscription.paid_until, ends, words)


def grace_ends(subscription: Subscription, paywall: Paywall) -> datetime:
    """Return until when one that owes something reads on: what is paid, and then the grace.

    Whoever was to pay at the start and did not has none: what they read while their bank worked was
    on trust. Whoever pays by transfer was let to pay later.
    """
    paid_until, since = subscription.paid_until, subscription.past_due_since
    if since is None or since <= subscription.started_at:
        return paid_until
    ends = max(since, paid_until) + timedelta(days=paywall.grace_days)
    end = _end(subscription)
    return ends if end is None else min(ends, end)


def _end(subscription: Subscription) -> datetime | None:
    """When the subscription itself ended or will."""
    return subscription.ended_at or subscription.ends_on


def _term(starts_at: datetime, ends_at: datetime, reason: str) -> Term | None:
    return Term(starts_at, ends_at, reason) if starts_at < ends_at else None


def _day(instant: datetime) -> str:
    return in_words(accounting_day(instant))


def _set(
    session: Session,
    reader_id: UUID,
    source: EntitlementSource,
    source_id: str,
    term: Term | None,
    *,
    now: datetime,
) -> None:
    current = _current(session, source, source_id)
    if current is not None:
        held = Term(current.starts_at, current.ends_at, current.reason)
        if current.reader_id == reader_id and held == term:
            return
        _supersede(session, current, now=now)
    if term is not None:
        session.add(
            Entitlement(
                reader_id=reader_id,
                source=source,
                source_id=source_id,
                reason=term.reason,
                starts_at=term.starts_at,
                ends_at=term.ends_at,
                recorded_at=now,
            )
        )
        session.flush()


def _current(session: Session, source: EntitlementSource, source_id: str) -> Entitlement | None:
    return session.scalar(
        sa.select(Entitlement).where(
            Entitlement.source == source,
            Entitlement.source_id == source_id,
            Entitlement.superseded_at.is_(None),
        )
    )


def _supersede(session: Session, row: Entitlement, *, now: datetime) -> None:
    row.superseded_at = now
    session.flush()  # before its successor is written: only one may be current
