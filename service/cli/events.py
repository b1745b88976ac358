"""`billing replay`: handle one of Stripe's events again."""

import typer


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
