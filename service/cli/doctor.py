"""`billing doctor`: is everything as it should be, and if not, what to do."""

import typer


def doctor() -> None:
    """Look at everything this system needs, and say what is wrong and how to mend it."""
    from service import backlog, checks  # noqa: PLC0415
    from service.cli.opening import read_settings  # noqa: PLC0415

    settings = read_settings()
    ill = False
    for check in (*checks.ALL, backlog.look):
        for finding in check(settings):
            ill = ill or not finding.fine
            typer.echo(f"{'ok  ' if finding.fine else 'FAIL'} {finding.about}: {finding.says}")
    raise typer.Exit(1 if ill else 0)
