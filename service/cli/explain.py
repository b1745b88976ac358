"""`billing explain`: why a reader is let in or refused, now or at any past moment."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from billing.access.explain import Explanation, Known


def explain(
    reader: Annotated[
        str, typer.Argument(help="A proven e-mail address, our id, or Stripe's cus_… or sub_….")
    ],
    at: Annotated[
        str, typer.Option(help="A past moment, such as 2026-11-20T09:30 (London); now without it.")
    ] = "",
) -> None:
    """Say what a reader is answered at the wall, and which rows make it so."""
    from billing import readers  # noqa: PLC0415
    from billing.access import explain as why  # noqa: PLC0415
    from billing.access.decide import Policy  # noqa: PLC0415
    from billing.access.explain import earlier_selves  # noqa: PLC0415
    from service.cli.moment import moment  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    context = open_everything()
    now = context.clock.now()
    policy = Policy(context.settings.paywall.limit_of(signed_in=True))
    asked = moment(at) if at else None
    with context.db.reading() as session:
        person = readers.named(session, reader)
        typer.echo(f"reader {person.id}, known since {_when(person.created_at)}")
        if asked is not None:
            title = "as it was answered then" if asked <= now else "as it will be answered then"
            _say(title, why(session, person.id, at=asked, policy=policy))
            for earlier in earlier_selves(session, person.id):
                then = why(session, earlier, at=asked, policy=policy)
                if then.known:
                    _say(f"{title}, to reader {earlier}, who is the same", then)
        _say("as it is answered now", why(session, person.id, at=now, policy=policy))


def _say(title: str, found: "Explanation") -> None:
    decision = found.decision
    answer = decision.reason.value if found.by_right else "free articles"
    typer.echo(f"\n{title}, {_when(found.at)}: {answer}")
    if found.by_right:
        typer.echo(f"  {decision.reason.for_staff}")
        typer.echo(f"  the reader is told: {decision.because}")
    else:
        typer.echo("  no right held; the free articles decided, and who read what is not kept")
    until = _when(decision.valid_until) if decision.valid_until else "anything else happens"
    typer.echo(f"  this stands until {until}")
    for opening in found.openings:
        typer.echo(
            f"  opened by the staff to {opening.open_to.value},"
            f" {_when(opening.starts_at)} to {_when(opening.ends_at)}"
        )
    for known in found.known:
        _say_row(known)
    if not found.known:
        typer.echo("  no right was known")


def _say_row(known: "Known") -> None:
    right = known.right
    mark = "holds" if known.holds else "does not hold"
    ends = _when(right.ends_at) if right.ends_at else "no end"
    typer.echo(f"  {mark}: {known.source.value}, {_when(right.starts_at)} to {ends}")
    superseded = _when(known.superseded_at) if known.superseded_at else "never so far"
    typer.echo(f"    learned {_when(known.recorded_at)}; superseded {superseded}")
    typer.echo(f"    {known.reason_words}; row {known.row_id}")
    if known.comes_from:
        typer.echo(f"    from {known.comes_from}")


def _when(instant: datetime) -> str:
    from billing.clock import LONDON  # noqa: PLC0415

    return f"{instant.astimezone(LONDON):%d %B %Y, %H:%M}"
