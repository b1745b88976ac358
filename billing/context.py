"""What every conversation needs at hand, opened once for each process."""

from dataclasses import dataclass

from billing.catalogue.data import Catalogue, load
from billing.clock import Clock
from billing.db import Database
from billing.settings import Settings
from billing.stripe_gateway import whose
from billing.stripe_gateway.client import Gateway


@dataclass(frozen=True, slots=True)
class Context:
    """One process's hold on the world: its database, its settings, Stripe, and the time."""

    db: Database
    settings: Settings
    catalogue: Catalogue
    gateway: Gateway
    clock: Clock


def open_context(settings: Settings) -> Context:
    """Open everything the settings name.

    Raises:
        ConfigurationError: the catalogue is missing or wrong.
    """
    opened = Context(
        db=Database(settings.database_url),
        settings=settings,
        catalogue=load(settings.catalogue),
        gateway=Gateway(settings),
        clock=Clock(settings.clock_offset_file),
    )
    opened.gateway.make_sure = lambda: whose.make_sure(
        opened.db, opened.gateway, now=opened.clock.now()
    )
    return opened
