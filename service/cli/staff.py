"""`billing staff`: who works in the office."""

from typing import Annotated

import typer

app = typer.Typer(help="Who works in the office.", no_args_is_help=True)


@app.command()
def add(
    email: str,
    name: Annotated[str, typer.Option(help="As colleagues know them.")],
    role: Annotated[str, typer.Option(help="finance, support, editor, admin or auditor.")],
) -> None:
    """Add somebody, or change the name and role of somebody who is there."""
    from billing import office  # noqa: PLC0415
    from billing.errors import ConfigurationError  # noqa: PLC0415
    from billing.models import Role  # noqa: PLC0415
    from service.cli.opening import ACTOR, open_everything  # noqa: PLC0415

    roles = [str(each.value) for each in Role]
    if role not in roles:
        raise ConfigurationError(f"there is no role {role!r}; choose one of {', '.join(roles)}")
    context = open_everything()
    with context.db.unit_of_work() as session:
        office.add_staff(
            session, email=email, name=name, role=Role(role), actor=ACTOR, now=context.clock.now()
        )
    typer.echo(f"{name} is in the office as {role}; `billing staff link {email}` lets them in")


@app.command()
def link(email: str) -> None:
    """Print a link that signs somebody in to the office, once."""
    from billing import office  # noqa: PLC0415
    from billing.errors import ConfigurationError  # noqa: PLC0415
    from service.cli.opening import open_everything  # noqa: PLC0415

    context = open_everything()
    with context.db.unit_of_work() as session:
        staff = office.find_staff(session, email)
        if staff is None:
            raise ConfigurationError(f"{email} is not in the office; `billing staff add` first")
        address = office.issue_link(session, context.settings, staff, now=context.clock.now())
    typer.echo(address)
