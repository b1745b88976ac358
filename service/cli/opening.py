"""What most commands begin with: the settings, the log, and a hold on everything."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from billing.clock import Clock
    from billing.context import Context
    from billing.settings import Settings

ACTOR = "command line"


def read_settings() -> "Settings":
    """Read the settings, and set the log up as they say.

    Raises:
        ConfigurationError: the file named by `BILLING_ENV_FILE` is not there.
    """
    from billing.errors import ConfigurationError  # noqa: PLC0415
    from billing.settings import load  # noqa: PLC0415
    from service import logs  # noqa: PLC0415

    named = os.environ.get("BILLING_ENV_FILE")
    if named and not Path(named).is_file():
        raise ConfigurationError(f"BILLING_ENV_FILE: there is no file {named}")
    settings = load()
    logs.configure(settings.log_format)
    return settings


def open_everything() -> "Context":
    """Open the database, Stripe and the catalogue the settings name."""
    from billing.context import open_context  # noqa: PLC0415

    return open_context(read_settings())


def clock_of(settings: "Settings") -> "Clock":
    """Return the clock the settings name."""
    from billing.clock import Clock  # noqa: PLC0415

    return Clock(settings.clock_offset_file)


def refuse_to_start_unsafely(settings: "Settings") -> None:
    """Refuse on any problem of the settings, or on a database of another version.

    Raises:
        ConfigurationError: with every cure.
    """
    from billing.errors import ConfigurationError  # noqa: PLC0415
    from service.checks import database_version  # noqa: PLC0415

    problems = settings.problems()
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise ConfigurationError(f"these settings must be put right first:{lines}")
    finding = database_version(settings)
    if not finding.fine:
        raise ConfigurationError(finding.says)


def refuse_another_account(context: "Context") -> None:
    """Refuse a key of another Stripe account than the database's; who cannot ask yet asks later.

    Raises:
        OtherAccountError: with its cure.
    """
    from billing.errors import StripeUnavailableError  # noqa: PLC0415
    from billing.stripe_gateway.client import patience  # noqa: PLC0415
    from billing.stripe_gateway.whose import OtherAccountError  # noqa: PLC0415

    try:
        with patience(1):  # readers wait for the process to start: one try is enough
            context.gateway.make_sure()
    except OtherAccountError:
        raise
    except StripeUnavailableError:
        return
