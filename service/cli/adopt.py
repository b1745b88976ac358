"""`billing adopt`: take over a Stripe account that had a life before this system."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from billing.reconciliation.adopt import Adoption


def adopt(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say all, write nothing.")] = False,
) -> None:
    """Take over the account's customers, subscriptions and balance. Nobody is mailed.

    Run it after `billing catalogue push` and before the webhook is registered; it may be run again.
    Exit code: 0 where all that is ours was taken over and agrees with Stripe, else 1.
    """
    from billing.reconciliation import adopt as adoption  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    context = open_everything()
    found = adoption.survey(context)
    _say(found)
    if dry_run:
        typer.echo("nothing was written")
        return
    adoption.adopt(context, found, actor=ACTOR)
    wrong = [*(f"{each}: {why}" for each, why in found.failed.items()), *found.disagreements]
    for line in wrong:
        typer.echo(f"NOT RIGHT {line}")
    typer.echo("some are not right: run it again" if wrong else "adopted; all agrees with Stripe")
    raise typer.Exit(1 if wrong else 0)


def _say(found: "Adoption") -> None:
    from billing.money import Money  # noqa: PLC0415
    from billing.words import counted  # noqa: PLC0415

    customers = counted(len(found.people), "customer")
    typer.echo(f"{customers}, {counted(len(found.ours), 'subscription')} at our prices:")
    for status, number in sorted(found.subscriptions.items()):
        typer.echo(f"    {number} {status}")
    for currency, amount in sorted(found.balances.items()):
        held = Money(amount, currency)
        typer.echo(f"opening balance at {found.cutoff:%d %B %Y %H:%M:%S} UTC: {held}")
    if not found.balances:
        typer.echo(f"the books were opened at {found.cutoff:%d %B %Y %H:%M:%S} UTC already")
    typer.echo(f"not taken over: {counted(len(found.unmapped), 'row')}")
    for row, why in sorted(found.unmapped.items()):
        typer.echo(f"    {row}: {why}")
