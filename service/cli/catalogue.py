"""`billing catalogue`: what is on sale."""

import typer

app = typer.Typer(help="What is on sale.", no_args_is_help=True)


@app.callback()
def _room() -> None:
    """Keep `push` a command of its own while it is the only one."""


@app.command()
def push() -> None:
    """Make Stripe's products and prices those of the catalogue. Repeats safely."""
    from billing.catalogue.push import push as push_catalogue  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    context = open_everything()
    said = push_catalogue(context.db, context.gateway, context.catalogue, now=context.clock.now())
    for sentence in said or ["Stripe and the catalogue agree."]:
        typer.echo(sentence)
