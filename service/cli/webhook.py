"""`billing webhook`: have Stripe send us what we act on."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from billing.stripe_gateway.endpoints import StripeEndpoint

app = typer.Typer(help="Where Stripe sends its events.", no_args_is_help=True)


@app.callback()
def _room() -> None:
    """Keep `register` a command of its own while it is the only one."""


@app.command()
def register(
    url: Annotated[str, typer.Option(help="Our own address, ending in /webhooks/stripe.")],
) -> None:
    """Make the endpoint at Stripe, or put an existing one right.

    The signing secret goes to standard output as a line for the settings file. Stripe tells it
    once, when the endpoint is made, and never again.
    """
    import json  # noqa: PLC0415

    from billing.stripe_gateway import endpoints  # noqa: PLC0415
    from billing.stripe_gateway.client import Gateway  # noqa: PLC0415
    from service.cli.opening import read_settings  # noqa: PLC0415
    from webhooks import dispatch  # noqa: PLC0415

    gateway = Gateway(read_settings())
    found = next((each for each in endpoints.endpoints(gateway) if each.url == url), None)
    if found is None:
        made = endpoints.create_endpoint(gateway, url, event_types=dispatch.TYPES)
        typer.echo(f"made {made.id}; its secret is told this once:", err=True)
        typer.echo(f"BILLING_STRIPE_WEBHOOK_SECRETS={json.dumps([made.secret])}")
        return
    if found.missing(dispatch.TYPES) or not found.enabled:
        endpoints.update_endpoint(gateway, found.id, event_types=dispatch.TYPES)
        typer.echo(f"{found.id} was there already; it now sends every event we act on", err=True)
    else:
        typer.echo(f"{found.id} was there already, and right", err=True)
    _say_what_stays(found)


def _say_what_stays(found: "StripeEndpoint") -> None:
    typer.echo(
        "its secret is shown in Stripe's dashboard; if it is lost, delete the endpoint and register"
        " again",
        err=True,
    )
    if found.api_version:
        typer.echo(f"it sends events of API version {found.api_version}", err=True)
