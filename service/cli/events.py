"""`billing event` and `billing replay`: what became of something Stripe said, and once more."""

from typing import Annotated

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


def replay(
    event_id: Annotated[str, typer.Argument(metavar="EVENT")] = "",
    since: Annotated[
        str, typer.Option(help="Every event from then on, such as 2026-11-20T00:00 (London).")
    ] = "",
) -> None:
    """Owe an event again, or all since a moment; the worker takes them up. Always safe."""
    from billing import audit, reconciliation  # noqa: PLC0415
    from billing.errors import RefusedError  # noqa: PLC0415
    from service.cli.moment import moment  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    if bool(event_id) == bool(since):
        raise RefusedError("name one event, or --since when")
    start = moment(since) if since else None
    context = open_everything()
    now = context.clock.now()
    with context.db.unit_of_work() as session:
        if start is None:
            row = reconciliation.replay_event(session, event_id, now=now)
            action, subject = "event replayed", f"event:{event_id}"
            said = f"{event_id} ({row.type}) is owed again"
        else:
            owed = reconciliation.replay_since(session, start, now=now)
            action, subject = "events replayed", f"since:{start.isoformat()}"
            said = f"owed again: {owed}, all since {start:%d %B %Y, %H:%M} UTC"
        audit.record(session, actor=ACTOR, action=action, subject=subject, now=now)
    typer.echo(said)
