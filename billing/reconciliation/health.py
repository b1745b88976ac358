"""How well we hear Stripe, as numbers: what came by webhook, what we had to find, what is stuck."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from billing.models import (
    Command,
    CommandState,
    Feed,
    ForeignObject,
    OwedState,
    Repair,
    StripeEvent,
    Verification,
)
from billing.reconciliation.events import parked_events

_WINDOWS: Final = (timedelta(hours=24), timedelta(days=7))
_MOST: Final = 50  # of what is listed one by one

Counted = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Heard:
    """The events of a window, and how many of them a webhook brought us first."""

    window: timedelta
    events: int
    by_webhook: int

    @property
    def share(self) -> str:
        """The part that came by webhook, rounded down: `100%` is all of them, and nothing less."""
        if self.events == 0:
            return "none"
        permille = self.by_webhook * 1000 // self.events
        return "100%" if permille == 1000 else f"{permille // 10}.{permille % 10}%"  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Health:
    """How we and Stripe stand.

    Attributes:
        heard: for each window, the shorter first.
        last: the last event a webhook brought; None where none ever came.
        repairs: of the last seven days, by the feed that found what differed.
        unknown: what we asked of Stripe and do not know the outcome of, oldest first.
        foreign: what is on the account and not ours, by kind.
        waiting: how many events are still to be handled, and since when the oldest of them waits.
        parked: events that were set aside, the newest first; `parked_in_all` counts every one.
    """

    heard: tuple[Heard, ...]
    last: StripeEvent | None
    verification: Verification | None
    repairs: Counted
    unknown: Sequence[Command]
    foreign: Counted
    waiting: tuple[int, datetime | None]
    parked: Sequence[StripeEvent]
    parked_in_all: int


def health(session: Session, *, now: datetime) -> Health:
    """Look at how we and Stripe stand."""
    in_all = sa.select(sa.func.count()).where(StripeEvent.state == OwedState.PARKED)
    return Health(
        heard=tuple(_heard(session, window, now) for window in _WINDOWS),
        last=session.scalar(
            sa.select(StripeEvent)
            .where(StripeEvent.feed == Feed.WEBHOOK)
            .order_by(StripeEvent.received_at.desc())
            .limit(1)
        ),
        verification=session.scalar(
            sa.select(Verification).order_by(Verification.at.desc()).limit(1)
        ),
        repairs=_counted(session, Repair.feed, Repair.at >= now - _WINDOWS[-1]),
        unknown=session.scalars(
            sa.select(Command)
            .where(Command.state == CommandState.UNKNOWN)
            .order_by(Command.created_at)
            .limit(_MOST)
        ).all(),
        foreign=_counted(session, ForeignObject.kind),
        waiting=_waiting(session),
        parked=parked_events(session, most=_MOST),
        parked_in_all=session.scalar(in_all) or 0,
    )


def _waiting(session: Session) -> tuple[int, datetime | None]:
    owed = StripeEvent.state.in_((OwedState.READY, OwedState.RUNNING))
    found = sa.select(sa.func.count(), sa.func.min(StripeEvent.received_at)).where(owed)
    number, oldest = session.execute(found).one()
    return number, oldest


def _heard(session: Session, window: timedelta, now: datetime) -> Heard:
    ours = sa.and_(
        StripeEvent.received_at >= now - window,  # implied by the next, and indexed
        StripeEvent.created_at >= now - window,
        StripeEvent.outcome.not_like("quarantined%"),
    )
    counted = dict(_counted(session, StripeEvent.feed, ours))
    return Heard(window, sum(counted.values()), counted.get(Feed.WEBHOOK, 0))


def _counted(
    session: Session, by: sa.orm.InstrumentedAttribute[str], *which: sa.ColumnElement[bool]
) -> Counted:
    rows = session.execute(sa.select(by, sa.func.count()).where(*which).group_by(by).order_by(by))
    return [(name, number) for name, number in rows]
