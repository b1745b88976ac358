"""`billing reconcile` and `billing verify`: do we agree with Stripe, and put right what differs."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from billing.context import Context

Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Compare what began since this day, such as 2026-11-01."
    ),
]


def reconcile(
    since: Since = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="All there ever was.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    most_readers: Annotated[
        int | None,
        typer.Option(min=0, help="Repair only if it touches no more readers than these."),
    ] = None,
) -> None:
    """Compare us with Stripe both ways, and put right what differs.

    Without --since or --full: what is not finished, and the last 35 days. Exit code: 0 where we
    agreed, 1 where we did not, 2 where not everything could be looked at.
    """
    from billing import audit  # noqa: PLC0415
    from billing.models import Feed  # noqa: PLC0415
    from billing.reconciliation.sweep import sweep  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    context = open_everything()
    begins = _since(context, since, full=full)
    agreed = context.settings.reconciliation.most_readers if most_readers is None else most_readers
    if not dry_run:
        with context.db.unit_of_work() as session:
            audit.record(
                session,
                actor=ACTOR,
                action="reconciled",
                subject="stripe",
                now=context.clock.now(),
                since=begins.isoformat(),
                most_readers=agreed,
            )
    report = sweep(context, since=begins, feed=Feed.HAND, apply=not dry_run, most_readers=agreed)
    for line in report.in_words():
        typer.echo(line)
    raise typer.Exit(report.exit_code)


def verify(since: Since = None) -> None:
    """Compare us with Stripe and the books with Stripe's balance, and keep what was found.

    Without --since: everything there ever was. Exit code: 0 where all agrees, 1 where something
    differs, 2 where not everything could be looked at. Nothing is changed.
    """
    from billing.reconciliation.verify import verify as verify_it  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    context = open_everything()
    verified = verify_it(context, since=_since(context, since, full=since is None))
    for line in verified.lines:
        typer.echo(line)
    raise typer.Exit(verified.exit_code)


def _since(context: "Context", since: datetime | None, *, full: bool) -> datetime:
    from datetime import timedelta  # noqa: PLC0415

    from billing.reconciliation.compare import BEGINNING  # noqa: PLC0415

    if full:
        return BEGINNING
    if since is not None:
        return since.replace(tzinfo=UTC)
    return context.clock.now() - timedelta(days=35)
