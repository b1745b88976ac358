"""`billing export`: the files finance downloads, the same as the office's."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Finance's reports as CSV files.", no_args_is_help=True)

Month = Annotated[str, typer.Option(help="The month, such as 2026-11.")]
Out = Annotated[Path | None, typer.Option(help="The file to write; standard output without it.")]


@app.command()
def payments(month: Month, out: Out = None) -> None:
    """Write every payment and refund of a month, with control totals."""
    _export("payments", month, out)


@app.command("trial-balance")
def trial_balance(month: Month, out: Out = None) -> None:
    """Write every account's opening, movement and closing of a month, with control totals."""
    _export("trial-balance", month, out)


def _export(name: str, month: str, out: Path | None) -> None:
    from billing import audit, reports  # noqa: PLC0415
    from billing.db import Database  # noqa: PLC0415
    from billing.errors import RefusedError  # noqa: PLC0415
    from service.cli.opening import ACTOR, clock_of, read_settings  # noqa: PLC0415

    settings = read_settings()
    period = reports.read_month(month)
    now = clock_of(settings).now()
    stamp = reports.Stamp(legal_name=settings.society.name, by=ACTOR, at=now)
    # What is there must be a file: a device would be replaced, and every program misses /dev/null.
    if out is not None and ((out.exists() and not out.is_file()) or not out.parent.is_dir()):
        raise RefusedError(f"cannot write {out}: name a file, in a directory that is there")
    database = Database(settings.database_url)
    # Written down first, in the office's words: what has left cannot be called back.
    with database.unit_of_work() as session:
        subject = reports.file_name(name, period)
        audit.record(session, actor=ACTOR, action="exported", subject=subject, now=now)
    with database.reading() as session:
        _write(reports.export(session, name, period, stamp=stamp), out)


def _write(pieces: Iterator[bytes], out: Path | None) -> None:
    """Write a file whole or not at all: a cut report must not be taken for one."""
    if out is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    out = out.resolve()  # a link stays one
    beginning = out.with_name(f"{out.name}.part")
    with beginning.open("wb") as file:
        file.writelines(pieces)
    beginning.replace(out)
    typer.echo(f"wrote {out}", err=True)
