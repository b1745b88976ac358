"""`billing explain`: why a reader is let in or refused, now or at any past moment."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from billing.access import Explanation


def explain(
    reader: Annotated[
        str, typer.Argument(help="A proven e-mail address, our id, or Stripe's cus_… or sub_….")
    ],
    at: Annotated[
        str, typer.Option(help="A past moment, such as 2026-11-20T09:30 (London); now without it.")
    ] = "",
) -> None:
    """Say what a reader is answered at the wall, and which rows make it so."""
    from billing import access, readers  # noqa: PLC0415
    from service.cli.moment import moment  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    context = open_everything()
    now = context.clock.now()
    policy = access.Policy(context.settings.paywall.limit)
    with context.db.reading() as session:
        person = readers.named(session, reader)
        typer.echo(f"reader {person.id}, known since {_when(person.created_at)}")
        if at:
            then = access.explain(session, person.id, at=moment(at), policy=policy)
            _say("as it was answered then", then)
        _say("as it is answered now", access.explain(session, person.id, at=now, policy=policy))


def _say(title: str, found: "Explanation") -> None:
    decision = found.decision
    typer.echo(f"\n{title}, {_when(found.at)}: {decision.reason.value}")
    if decision.meter is not None:
        typer.echo("  no right held; the free articles decided, and who read what is not kept")
    else:
        typer.echo(f"  {decision.because}")
        until = _when(decision.valid_until) if decision.valid_until else "anything else happens"
        typer.echo(f"  this stands until {until}")
    for known in found.known:
        row = known.row
        mark = "holds" if known.holds else "does not hold"
        ends = _when(row.ends_at) if row.ends_at else "no end"
        typer.echo(f"  {mark}: {row.source.value}, {_when(row.starts_at)} to {ends}")
        typer.echo(f"    {row.reason}; learned {_when(row.recorded_at)}; row {row.id}")
        if known.comes_from:
            typer.echo(f"    from {known.comes_from}")
    if not found.known:
        typer.echo("  no right was known")


def _when(instant: datetime) -> str:
    from billing.clock import LONDON  # noqa: PLC0415

    return f"{instant.astimezone(LONDON):%d %B %Y, %H:%M}"
