"""`billing event` and `billing replay`: what became of something Stripe said, and once more."""

import sqlalchemy as sa
import typer


def event(event_id: str) -> None:
    """Say what became of one of Stripe's events."""
    from billing.errors import ConfigurationError  # noqa: PLC0415
    from billing.models import StripeEvent  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    with open_everything().db.reading() as session:
        row = session.scalar(sa.select(StripeEvent).where(StripeEvent.event_id == event_id))
    if row is None:
        raise ConfigurationError(f"Stripe never sent us {event_id}")
    typer.echo(
        f"{row.event_id} {row.type}: {row.state.value} {row.outcome} {row.last_error}".strip()
    )


def replay(event_id: str) -> None:
    """Owe an event again; the worker takes it up. Always safe."""
    from billing import audit  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415
    from webhooks import inbox  # noqa: PLC0415

    context = open_everything()
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        row = inbox.replay(session, event_id, now=now)
        audit.record(
            session, actor=ACTOR, action="event replayed", subject=f"event:{event_id}", now=now
        )
    typer.echo(f"{event_id} ({row.type}) is owed again")
