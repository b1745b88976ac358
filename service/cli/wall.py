"""Open the paywall and close it again, say how it stands, and change the key of passes."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from billing.models import BreakGlass

app = typer.Typer(
    help="Open and close the paywall, and change the key that signs reader passes.",
    no_args_is_help=True,
)


@app.command()
def rotate() -> None:
    """Sign reader passes with a new key; those that are out there stay good until they end."""
    from billing.access import passes  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    context = open_everything()
    with context.db.unit_of_work() as session:
        number = passes.rotate(session, actor=ACTOR, now=context.clock.now())
    typer.echo(f"key {number} signs from now on; passes of the key before stay good until they end")


@app.command(name="open")
def open_paper(
    to: Annotated[str, typer.Option(help="everyone, or subscribers: whoever we last knew as one.")],
    hours: Annotated[int, typer.Option(help="For how long; it ends by itself.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
) -> None:
    """Open the paper for some hours, whatever readers' rights say."""
    from billing.access import break_glass  # noqa: PLC0415
    from billing.errors import ConfigurationError  # noqa: PLC0415
    from billing.models import OpenTo  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    whom = [str(each.value) for each in OpenTo]
    if to not in whom:
        raise ConfigurationError(f"the paper opens to {' or '.join(whom)}, not to {to!r}")
    context = open_everything()
    with context.db.unit_of_work() as session:
        opening = break_glass.open_paper(
            session,
            open_to=OpenTo(to),
            hours=hours,
            reason=reason,
            actor=ACTOR,
            now=context.clock.now(),
        )
    typer.echo(f"the paper is open {_in_words(opening)}")


@app.command(name="close")
def close_paper() -> None:
    """End every opening that runs."""
    from billing.access import break_glass  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    context = open_everything()
    with context.db.unit_of_work() as session:
        closed = break_glass.close_paper(session, actor=ACTOR, now=context.clock.now())
    typer.echo("the paper is closed again" if closed else "the paper was not open")


@app.command()
def status() -> None:
    """Say whether the paper is open, to whom, until when and why."""
    from billing.access import break_glass  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    context = open_everything()
    with context.db.reading() as session:
        running = break_glass.running(session, now=context.clock.now())
    for opening in running:
        typer.echo(f"the paper is open {_in_words(opening)}: {opening.reason}")
    if not running:
        typer.echo("the paper is not open; readers read by their rights and their free articles")


def _in_words(opening: "BreakGlass") -> str:
    return f"to {opening.open_to.value} until {_when(opening.ends_at)}"


def _when(instant: datetime) -> str:
    from billing.clock import LONDON  # noqa: PLC0415

    return f"{instant.astimezone(LONDON):%d %B %Y, %H:%M}"
