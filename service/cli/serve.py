"""Starting things: the database's tables, the web processes, the worker."""

from typing import Annotated

import typer

_GRACE = 20  # seconds a request may still take when we are asked to stop
_KEEP_ALIVE = 75  # longer than the proxies in front of us keep theirs


def migrate() -> None:
    """Bring the database to this version of the program. Repeats safely."""
    from pathlib import Path  # noqa: PLC0415

    from billing.db import Database  # noqa: PLC0415
    from billing.migrations import run  # noqa: PLC0415
    from service.cli.opening import read_settings  # noqa: PLC0415

    settings = read_settings()
    database = Database(settings.database_url)
    if database.is_sqlite and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    # Asked first: an unreachable database is one sentence, not the migrations' traceback.
    before = run.current(database)
    database.close()
    run.upgrade(settings.database_url)
    if before == run.head():
        typer.echo(f"the database was already at version {before}")
    else:
        typer.echo(f"the database is now at version {run.head()}")


def serve(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="How many processes.")] = 1,
) -> None:
    """Run the web application."""
    import uvicorn  # noqa: PLC0415

    from billing.context import open_context  # noqa: PLC0415
    from service.cli.opening import (  # noqa: PLC0415
        read_settings,
        refuse_another_account,
        refuse_to_start_unsafely,
    )
    from service.joined import Protocol  # noqa: PLC0415

    settings = read_settings()
    refuse_to_start_unsafely(settings)
    context = open_context(settings)
    refuse_another_account(context)
    context.db.close()
    uvicorn.run(
        "service.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=Protocol,
        log_config=None,
        access_log=False,  # addresses hold sign-in tokens; the proxy in front keeps its own
        proxy_headers=True,
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )


def worker() -> None:
    """Work through what is owed: Stripe's events, mail, what repeats."""
    from service import worker as the_worker  # noqa: PLC0415
    from service.cli.opening import (  # noqa: PLC0415
        open_everything,
        refuse_another_account,
        refuse_to_start_unsafely,
    )

    context = open_everything()
    refuse_to_start_unsafely(context.settings)
    refuse_another_account(context)
    the_worker.run(context)
