"""The `billing` command: every command is a thin door, and imports what it needs when it is called.

What goes wrong in a way we know of is said in one sentence, with exit code 1 and no traceback.
"""

import sys
from typing import Final

import typer

from service.cli import (
    adopt,
    catalogue,
    doctor,
    events,
    explain,
    export,
    reconcile,
    refund,
    serve,
    staff,
    wall,
    webhook,
)

app: Final = typer.Typer(
    name="billing",
    help="Run and look after the reader revenue system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.migrate)
app.command()(serve.serve)
app.command()(serve.worker)
app.command()(doctor.doctor)
app.command()(explain.explain)
app.command()(refund.refund)
app.command()(reconcile.reconcile)
app.command()(reconcile.verify)
app.command()(adopt.adopt)
app.command()(events.event)
app.command()(events.replay)
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(webhook.app, name="webhook")
app.add_typer(export.app, name="export")
app.add_typer(staff.app, name="staff")
app.add_typer(wall.app, name="wall")


def main() -> None:
    """Run one command."""
    from pydantic import ValidationError  # noqa: PLC0415  # `billing --help` answers at once
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from billing.errors import BillingError  # noqa: PLC0415

    try:
        app()
    except BillingError as error:
        sys.exit(f"billing: {error}")
    except ValidationError as error:
        sys.exit(f"billing: {_settings_in(error)}")
    except OSError as error:
        sys.exit(f"billing: {error}")
    except SQLAlchemyError as error:
        # The driver's own first line: the rest quotes the statement and its values.
        cause = str(getattr(error, "orig", None) or type(error).__name__)
        first = cause.strip().splitlines()[0]
        sys.exit(f"billing: the database: {first} (`billing doctor` says more)")


def _settings_in(error: object) -> str:
    """Name the settings that cannot be read, without their values: one may be a secret."""
    from pydantic import ValidationError  # noqa: PLC0415

    if not isinstance(error, ValidationError):
        return ""
    return "; ".join(
        f"BILLING_{'__'.join(str(part) for part in each['loc']).upper()}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)
    )
