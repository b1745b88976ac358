"""What a doctor looks at in our own database: is it sold, is it worked at, and what is stuck.

A database that does not answer is another check's to say.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing.catalogue.data import load
from billing.clock import Clock
from billing.db import Database
from billing.errors import BillingError
from billing.models import Command, Heartbeat, OutboxMessage, OwedState, Price, StripeEvent
from billing.settings import Settings
from billing.stripe_gateway import whose
from billing.stripe_gateway.client import Gateway
from billing.stripe_gateway.commands import OPEN
from service.checks import Finding
from service.health import LATE

_LONG: Final = timedelta(minutes=15)


def look(settings: Settings) -> Iterator[Finding]:
    """Look for what nobody sells, nobody works at, and what has got stuck."""
    try:
        database = Database(settings.database_url)
    except BillingError:
        return
    if database.is_sqlite and not Path(database.url.database or "").is_file():
        return
    try:
        with database.reading() as session:
            yield _prices(session, settings)
            yield _worker(session)
            yield from _stuck(session, now=Clock(settings.clock_offset_file).now())
            ours = whose.remembered(session)
        yield _account(settings, ours)
    except (SQLAlchemyError, BillingError):
        return
    finally:
        database.close()


def _prices(session: Session, settings: Settings) -> Finding:
    on_sale = set(session.scalars(sa.select(Price.lookup_key).where(Price.on_sale)))
    plans = load(settings.catalogue).plans
    wanted = {price.lookup_key for plan in plans for price in plan.prices}
    if missing := wanted - on_sale:
        names = ", ".join(sorted(missing))
        says = f"not on sale at Stripe: {names}; run `billing catalogue push`"
        return Finding("prices", fine=False, says=says)
    return Finding("prices", fine=True, says=f"{len(wanted)} on sale at Stripe")


def _account(settings: Settings, ours: str) -> Finding:
    try:
        theirs = whose.account_of(Gateway(settings))
    except BillingError as error:
        says = f"Stripe does not say whose our key is ({error}); let it read the account"
        return Finding("account", fine=False, says=says)
    if ours in ("", theirs):
        return Finding("account", fine=True, says=f"our key is of {theirs}")
    says = f"our key is of {theirs}, this database belongs to {ours}; correct BILLING_STRIPE_KEY"
    return Finding("account", fine=False, says=says)


def _worker(session: Session) -> Finding:
    last = session.scalar(sa.select(sa.func.max(Heartbeat.at)))
    if last is None:
        return Finding("worker", fine=True, says="never seen yet; run `billing worker`")
    # The machine's time, as the worker wrote it: the program's own clock may be moved.
    age = datetime.now(UTC) - last
    if age < LATE:
        return Finding("worker", fine=True, says="at work")
    says = f"last seen {last:%d %B %Y, %H:%M} UTC; run `billing worker`, or look in its log"
    return Finding("worker", fine=False, says=says)


def _stuck(session: Session, *, now: datetime) -> Iterator[Finding]:
    parked = _count(session, sa.select(StripeEvent.id).where(StripeEvent.state == OwedState.PARKED))
    late = _count(
        session,
        sa.select(StripeEvent.id).where(
            StripeEvent.state == OwedState.READY,
            StripeEvent.received_at < now - _LONG,
            # One of long ago that is to be handled once more has only begun to wait.
            sa.or_(StripeEvent.attempts > 0, StripeEvent.run_at < now - _LONG),
        ),
    )
    unsent = _count(
        session, sa.select(OutboxMessage.id).where(OutboxMessage.state == OwedState.PARKED)
    )
    unknown = _count(
        session,
        sa.select(Command.id).where(Command.state.in_(OPEN), Command.created_at < now - _LONG),
    )
    for number, about, says in (
        (parked, "events", "set aside; read the reason at /office/stripe and try again"),
        (late, "events", "waiting for more than 15 minutes; is Stripe away, or the worker?"),
        (unsent, "mail", "given up; correct the address named in the office's tasks"),
        (unknown, "commands", "of unknown outcome; the worker asks Stripe again by itself"),
    ):
        if number:
            yield Finding(about, fine=False, says=f"{number} {says}")
    if not (parked or late or unsent or unknown):
        yield Finding("queues", fine=True, says="nothing is stuck")


def _count(session: Session, found: sa.Select[Any]) -> int:
    return int(session.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0)
